import type { EngineEvent, OpMap, StepEventMetadata } from "@pulumi/pulumi/automation";
import type { Reporter, Task } from "../toolchain/index";

/** A resource that could not be made, changed or removed, and why. */
export interface Fault {
  /** As people call it: "trino", "image spark"; empty for the program as a whole. */
  resource: string;
  message: string;
}

const containerType = "docker:index/container:Container";
const imageType = "docker:index/remoteImage:RemoteImage";

/** What runs a service on Kubernetes. Another content of it is other pods. */
const controllerType = /^kubernetes:apps\/v1:(Deployment|StatefulSet)$/;

/** Lines of one fault that are shown; the rest is in the log. */
const faultLines = 20;

const begun: Partial<Record<string, string>> = {
  create: "starting",
  "create-replacement": "starting anew",
  update: "changing",
  delete: "removing",
  "delete-replaced": "stopping, to be replaced",
};

/** The old image of a replacement goes when everything else is done, and says nothing. */
const imageBegun: Partial<Record<string, string>> = {
  create: "building",
  "create-replacement": "building",
  delete: "removing",
};

const ended: Partial<Record<string, string>> = {
  create: "answers",
  "create-replacement": "replaced, answers",
  update: "changed",
  delete: "removed",
};

const imageEnded: Partial<Record<string, string>> = {
  ...ended,
  create: "ready",
  "create-replacement": "ready",
};

/** Shows the engine's events as tasks, one a service or image that changes, and collects what went wrong. */
export class DeploymentProgress {
  readonly faults: Fault[] = [];
  /** Services that were running, and have been started anew. */
  readonly restarted: string[] = [];
  /** Resources that the engine changed, by the kind of change. */
  changes: OpMap = {};
  private readonly tasks = new Map<string, Task>();
  private seen = 0;

  constructor(
    private readonly reporter: Reporter,
    private readonly stack: string,
  ) {}

  onEvent(event: EngineEvent): void {
    if (event.resourcePreEvent) this.begin(event.resourcePreEvent.metadata);
    if (event.resOutputsEvent) this.end(event.resOutputsEvent.metadata);
    if (event.resOpFailedEvent) this.fail(event.resOpFailedEvent.metadata);
    if (event.diagnosticEvent) {
      const { urn = "", message, severity } = event.diagnosticEvent;
      if (severity === "error") this.addFault(urn, plain(message));
      else if ((severity as string) !== "debug") this.tasks.get(urn)?.update(this.brief(message));
    }
    if (event.summaryEvent) this.changes = event.summaryEvent.resourceChanges;
  }

  /** How many resources are not as they were before. */
  get changed(): number {
    return Object.entries(this.changes).reduce((sum, [op, count]) => (op === "same" ? sum : sum + count), 0);
  }

  /** How far the engine is. */
  get text(): string {
    return this.seen === 0 ? "reading the program" : `${this.seen} resources looked at`;
  }

  /** Ends what the engine left open, for example because it was interrupted. */
  close(text: string): void {
    for (const task of this.tasks.values()) task.fail(text);
    this.tasks.clear();
  }

  private begin({ urn, op, type }: StepEventMetadata): void {
    if (type !== containerType && type !== imageType) return;
    const text = (type === imageType ? imageBegun : begun)[op];
    if (text === undefined) return;
    const task = this.tasks.get(urn) ?? this.reporter.task(displayName(urn));
    this.tasks.set(urn, task);
    task.update(text);
  }

  private end({ urn, op, type }: StepEventMetadata): void {
    this.seen += 1;
    const name = displayName(urn);
    if (type === containerType && op === "create-replacement" && !name.endsWith("-live"))
      this.restarted.push(name);
    if (controllerType.test(type) && op === "update") this.restarted.push(urn.split("::").at(-1) ?? name);
    const text = (type === imageType ? imageEnded : ended)[op];
    if (text === undefined) return;
    this.tasks.get(urn)?.done(text);
    this.tasks.delete(urn);
  }

  private fail({ urn }: StepEventMetadata): void {
    const fault = this.faults.find(({ resource }) => resource === displayName(urn));
    this.tasks.get(urn)?.fail(fault === undefined ? "failed" : firstLine(fault.message));
    this.tasks.delete(urn);
  }

  /** Of what a plugin is doing, the last line: without the time, which is shown anyway, and the stack's prefix. */
  private brief(message: string): string {
    const last = plain(message).split("\n").at(-1) ?? "";
    return last.replaceAll(`lakestack-${this.stack}-`, "").replace(/ \(\d+ s\)$/, "");
  }

  private addFault(urn: string, text: string): void {
    const resource = urn.includes("pulumi:pulumi:Stack") ? "" : displayName(urn);
    // The engine closes with a line that only says that there was an error before it.
    if (text === "" || /^(update|refresh|destroy|resource .*) failed$/.test(text)) return;
    const message = essence(text);
    if (this.faults.some((fault) => fault.message === message)) return;
    this.faults.push({ resource, message });
  }
}

/** A resource as people call it, from its URN. */
export function displayName(urn: string): string {
  const [, , types = "", name = ""] = urn.split("::");
  const type = types.split("$").at(-1) ?? "";
  if (type === containerType || name === "") return name;
  if (type === imageType) return `image ${name}`;
  const kind = type.split(":").at(-1) ?? type;
  return `${kind.charAt(0).toLowerCase()}${kind.slice(1)} ${name}`;
}

/** Without the engine's colour marks and the blank lines at both ends. */
function plain(text: string): string {
  return text.replaceAll(/<\{%[^%]*%\}>/g, "").trim();
}

/** The plugin's own message, without what the engine puts before it, and no longer than a screen. */
function essence(text: string): string {
  const own = text
    .replace(/^error: /, "")
    .replace(/^(creating|updating|deleting|reading) urn:\S+: /, "")
    .replace(/^1 error occurred:\s*\*\s*/, "")
    .trim();
  const lines = own.split("\n").map((line) => line.trimEnd());
  if (lines.length <= faultLines) return lines.join("\n");
  const kept = [lines[0] ?? "", "…", ...lines.slice(-(faultLines - 2))];
  return kept.join("\n");
}

const firstLine = (text: string) => text.split("\n", 1)[0] ?? "";
