import { container } from "./docker";

/** Process IDs of the drivers that wait for jobs, or do one. */
export async function keptDrivers(): Promise<string[]> {
  const { Titles, Processes } = (await container("airflow-scheduler").top()) as {
    Titles: string[];
    Processes: string[][];
  };
  const [pid, command] = [Titles.indexOf("PID"), Titles.indexOf("CMD")];
  return Processes.filter((each) => each[command]?.includes("serve --socket")).map((each) => each[pid] ?? "");
}
