/**
 * What lines say that alarms hang on, with * for anything. The scheduler answers its health check by its heartbeat: 200
 * with one, 503 without, and either is a line.
 */
export const toldBy = {
  heartbeat: '*"GET /health HTTP/* 200*',
  failedRun: "*Marking run*failed*",
  catalogError: "* ERROR *",
} as const;
