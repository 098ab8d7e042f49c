import { outputs } from "./lakestack";
import { ports } from "./stack";

export const historyUrl = `http://localhost:${ports.sparkHistoryPort}`;
export const workerUrl = (number: number) => `http://localhost:${ports.sparkWorkerPort + number - 1}`;

/** What the master's page says, in JSON. */
export interface Master {
  workers: { id: string; host: string; state: string; coresused: number }[];
  activeapps: { id: string; name: string; state: string; cores: number }[];
}

/** A finished or running application, as the history server knows it. */
export interface Application {
  id: string;
  name: string;
  attempts: { startTimeEpoch: number; endTimeEpoch: number; completed: boolean }[];
}

export interface Executor {
  id: string;
  hostPort: string;
  isActive: boolean;
  /** Milliseconds since 1970; absent as long as it lives. */
  removeTime?: string;
  removeReason?: string;
}

async function json<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return (await response.json()) as T;
}

export const master = () => json<Master>(`${outputs.sparkMasterUrl}/json/`);

export const applications = () => json<Application[]>(`${historyUrl}/api/v1/applications`);

/** All executors that an application ever had. */
export const executors = (id: string) =>
  json<Executor[]>(`${historyUrl}/api/v1/applications/${id}/allexecutors`);

/** The settings that an application ran with, as its page shows them. */
export async function environmentPage(id: string): Promise<string> {
  return JSON.stringify(await json(`${historyUrl}/api/v1/applications/${id}/environment`));
}
