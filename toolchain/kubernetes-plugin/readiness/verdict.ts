/** Whether an object does what it is there for. */
export type Verdict =
  | { state: "ready" }
  /** Not yet: what is awaited. */
  | { state: "waiting"; what: string }
  /** Never without a change: what went wrong. */
  | { state: "failed"; what: string };

export const READY: Verdict = { state: "ready" };

export function waiting(what: string): Verdict {
  return { state: "waiting", what };
}

export function failed(what: string): Verdict {
  return { state: "failed", what };
}
