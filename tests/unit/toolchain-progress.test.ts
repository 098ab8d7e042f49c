import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { elapsed, terminalReporter } from "../../toolchain/progress";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function capture(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const reporter = terminalReporter({ isTTY, columns, write: (text) => written.push(text) });
  return { reporter, written, text: () => written.join("") };
}

describe("without a terminal", () => {
  it("says when a task starts, every 30 seconds how far it is, and when it ends", () => {
    const { reporter, text } = capture(false);
    const task = reporter.task("Image trino");
    task.update("step 3 of 9");
    vi.advanceTimersByTime(65_000);
    task.done("built");
    vi.advanceTimersByTime(65_000);
    expect(text()).toBe(
      [
        "Image trino …",
        "Image trino … step 3 of 9, 30 s so far",
        "Image trino … step 3 of 9, 1 min 00 s so far",
        "Image trino: built (1 min 05 s)",
        "",
      ].join("\n"),
    );
  });

  it("cuts a long text in what it says every 30 seconds", () => {
    const { reporter, text } = capture(false);
    reporter.task("Image trino").update(`Step 9/13 : RUN ${"apt-get update && ".repeat(20)}`);
    vi.advanceTimersByTime(31_000);
    const [, reminder = ""] = text().split("\n");
    expect(reminder).toMatch(/^Image trino … Step 9\/13 : RUN apt-get update .*…, 30 s so far$/);
    expect(reminder.length).toBeLessThan(130);
  });

  it("shows a task's output only if it fails, and of that the last 40 lines", () => {
    const { reporter, text } = capture(false);
    const good = reporter.task("good");
    good.log("noise");
    good.done();
    const bad = reporter.task("bad");
    for (let line = 1; line <= 50; line++) bad.log(`line ${line}.`);
    bad.fail("exit code 1");
    expect(text()).not.toContain("noise");
    expect(text()).toContain("bad: exit code 1 (0.0 s)\n    line 11.\n");
    expect(text()).toMatch(/ {4}line 50\.\n$/);
  });

  it("ends a task once", () => {
    const { reporter, text } = capture(false);
    const task = reporter.task("x");
    task.fail("broken");
    task.done("fine after all");
    expect(text()).not.toContain("fine after all");
  });
});

describe("on a terminal", () => {
  it("redraws one line for each running task, and keeps finished ones above", () => {
    const { reporter, written } = capture(true);
    const first = reporter.task("first");
    const second = reporter.task("second");
    vi.advanceTimersByTime(2400);
    // eslint-disable-next-line no-control-regex -- back to the first of the lines, and clear from there
    expect(written.at(-1)).toMatch(/^\x1b\[2A\r\x1b\[0J.* first {2}.*2\.4 s.*\n.* second .*2\.4 s.*\n$/);
    first.done("built");
    expect(written.at(-1)).toMatch(/✔.* first {2}built.*\n.* second .*\n$/);
    second.done();
    const drawings = written.length;
    vi.advanceTimersByTime(2000);
    expect(written).toHaveLength(drawings);
  });

  it("cuts a line to the terminal's width", () => {
    const { reporter, written } = capture(true, 40);
    reporter.task("x").update("y".repeat(200));
    vi.advanceTimersByTime(1000);
    // eslint-disable-next-line no-control-regex -- colours take no room
    const visible = (written.at(-1) ?? "").replace(/\x1b\[\d*[A-Za-z]|\r|\n/g, "");
    expect(visible.length).toBeLessThanOrEqual(40);
    expect(visible).toContain("…");
  });
});

it.each([
  [40, "0.0 s"],
  [9_940, "9.9 s"],
  [9_960, "10 s"],
  [59_400, "59 s"],
  [59_600, "1 min 00 s"],
  [185_000, "3 min 05 s"],
])("says %i ms as %s", (milliseconds, text) => {
  expect(elapsed(milliseconds)).toBe(text);
});
