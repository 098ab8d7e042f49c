import { ports } from "./stack";

export const historyUrl = `http://localhost:${ports.sparkHistoryPort}`;
/** Page of the job that runs now, while there is one. */
export const driverUrl = `http://localhost:${ports.sparkDriverPort}`;
export const workerUrl = (number: number) => `http://localhost:${ports.sparkWorkerPort + number - 1}`;

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
  activeTasks: number;
}

async function json<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return (await response.json()) as T;
}

/** Applications that the history server, or the page of a running job, tells of. */
export const applications = (url: string) => json<Application[]>(`${url}/api/v1/applications`);

/** All executors that an application ever had. */
export const executors = (url: string, id: string) =>
  json<Executor[]>(`${url}/api/v1/applications/${id}/allexecutors`);

/** The settings that an application ran with, as its page shows them. */
export async function environmentPage(id: string): Promise<string> {
  return JSON.stringify(await json(`${historyUrl}/api/v1/applications/${id}/environment`));
}
