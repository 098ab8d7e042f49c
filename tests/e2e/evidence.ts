import { beforeEach } from "vitest";
import { allRuns, failureLogs } from "./airflow";
import { containerIds, container, logs } from "./docker";

/** Lines of a container's log that are shown. */
const shown = 25;

/** After a failure, shows what was to be seen of the stack: each container's state, the logs of those that ail, failed tasks. */
beforeEach(({ task, onTestFailed }) => {
  const began = new Date().toISOString();
  onTestFailed(async () => {
    const parts = await Promise.allSettled([containers(), failedTasks(began)]);
    const text = parts.map((part) => (part.status === "fulfilled" ? part.value : String(part.reason)));
    console.log([`The stack after the failure of "${task.name}":`, ...text].join("\n"));
  });
});

async function containers(): Promise<string> {
  const names = Object.keys(await containerIds()).sort();
  const described = names.map(async (service) => {
    const { State, RestartCount } = await container(service).inspect();
    const health = State.Health?.Status ?? "no health check";
    const line = `  ${service}: ${State.Status}, ${health}, restarted ${RestartCount} times`;
    const ails = !State.Running || health !== "healthy" || RestartCount > 0 || State.OOMKilled;
    return ails ? `${line}\n${indented(await logs(service, shown))}` : line;
  });
  return (await Promise.all(described)).join("\n");
}

async function failedTasks(began: string): Promise<string> {
  const failed = (await allRuns()).filter((run) => run.state === "failed" && (run.end_date ?? "") > began);
  const found = await Promise.all(failed.map((run) => failureLogs(run.dag_id, run.dag_run_id)));
  return found.flat().join("\n");
}

const indented = (text: string) => text.trimEnd().replace(/^/gm, "      ");
