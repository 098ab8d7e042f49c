/** One piece of long work, shown to the user from start to end. */
export interface Task {
  /** What it is doing now; replaces the text before it. */
  update(text: string): void;
  /** It has ended well. */
  done(text?: string): void;
  /** It has failed; the last lines given to `log` are shown below. */
  fail(text: string): void;
  /** A line of the work's own output: kept, and shown only if the task fails. */
  log(line: string): void;
}

/** Where long work reports. Several tasks may run at once. */
export interface Reporter {
  task(name: string): Task;
}

type Outcome = "done" | "failed";

/** What a reporter has to know of a running task. */
interface RunningTask {
  readonly name: string;
  readonly started: number;
  text: string;
}

const linesKept = 40;
const plainInterval = 30_000;
/** Of a text in a reminder: a step of an image's build can be a whole script. */
const plainWidth = 90;
const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameInterval = 120;

/** Where reports go: standard error by default, so that a command's standard output stays its own. */
export interface ReportStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** On a terminal one live line a task with its elapsed time; otherwise a line at start, at end and every 30 s. */
export function terminalReporter(stream: ReportStream = process.stderr): Reporter {
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb";
  const display = live ? new LiveDisplay(stream) : new PlainDisplay(stream);
  return { task: (name) => startTask(name, display) };
}

/** Milliseconds as people say them: `0.4 s`, `12 s`, `3 min 05 s`. */
export function elapsed(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

interface Display {
  start(task: RunningTask): void;
  end(task: RunningTask, outcome: Outcome, output: readonly string[]): void;
}

function startTask(name: string, display: Display): Task {
  const running: RunningTask = { name, started: Date.now(), text: "" };
  const output: string[] = [];
  let ended = false;
  const end = (outcome: Outcome, text: string, lines: readonly string[]) => {
    if (ended) return;
    ended = true;
    running.text = text;
    display.end(running, outcome, lines);
  };
  display.start(running);
  return {
    update: (text) => {
      running.text = text;
    },
    done: (text) => {
      end("done", text ?? "", []);
    },
    fail: (text) => {
      end("failed", text, output);
    },
    log: (line) => {
      output.push(line);
      if (output.length > linesKept) output.shift();
    },
  };
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

function sinceStart(task: RunningTask): string {
  return elapsed(Date.now() - task.started);
}

/** Lines for a log file: nothing is ever rewritten. */
class PlainDisplay implements Display {
  private readonly reminders = new Map<RunningTask, NodeJS.Timeout>();

  constructor(private readonly stream: ReportStream) {}

  start(task: RunningTask): void {
    this.line(`${task.name} …`);
    const remind = () => {
      const text = cut(task.text, plainWidth);
      this.line(`${task.name} … ${text ? `${text}, ` : ""}${sinceStart(task)} so far`);
    };
    this.reminders.set(task, setInterval(remind, plainInterval).unref());
  }

  end(task: RunningTask, outcome: Outcome, output: readonly string[]): void {
    clearInterval(this.reminders.get(task));
    this.reminders.delete(task);
    this.line(`${task.name}: ${task.text || outcome} (${sinceStart(task)})`);
    for (const line of output) this.line(`    ${line}`);
  }

  private line(text: string): void {
    this.stream.write(`${text}\n`);
  }
}

/** The running tasks are the last lines on the screen, redrawn in place; finished ones scroll up above them. */
class LiveDisplay implements Display {
  private readonly running: RunningTask[] = [];
  private drawn = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly stream: ReportStream) {}

  start(task: RunningTask): void {
    this.running.push(task);
    this.timer ??= setInterval(() => {
      this.draw([]);
    }, frameInterval).unref();
    this.draw([]);
  }

  end(task: RunningTask, outcome: Outcome, output: readonly string[]): void {
    this.running.splice(this.running.indexOf(task), 1);
    const mark = outcome === "done" ? "\x1b[32m✔\x1b[0m" : "\x1b[31m✘\x1b[0m";
    const text = task.text ? `  ${task.text}` : "";
    this.draw([
      `${mark} ${task.name}${text}  \x1b[2m${sinceStart(task)}\x1b[0m`,
      ...output.map((line) => `    ${line}`),
    ]);
    if (this.running.length === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
  }

  private draw(finished: readonly string[]): void {
    const rewind = this.drawn > 0 ? `\x1b[${this.drawn}A\r\x1b[0J` : "";
    const frame = frames[Math.floor(Date.now() / frameInterval) % frames.length] ?? "";
    const lines = [...finished, ...this.running.map((task) => this.runningLine(frame, task))];
    this.stream.write(rewind + lines.map((line) => `${line}\n`).join(""));
    this.drawn = this.running.length;
  }

  /** Cut to the width of the terminal: a wrapped line could not be redrawn in place. */
  private runningLine(frame: string, task: RunningTask): string {
    const time = sinceStart(task);
    const width = Math.max(20, (this.stream.columns ?? 80) - frame.length - time.length - 6);
    const text = task.text ? `${task.name}  ${task.text}` : task.name;
    return `\x1b[36m${frame}\x1b[0m ${cut(text, width)}  \x1b[2m${time}\x1b[0m`;
  }
}
