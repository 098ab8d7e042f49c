import type { TestProject } from "vitest/node";
import { prepareMachine } from "../../commands/prepare";
import { terminalReporter } from "../../toolchain/progress";
import { removeTraces } from "./traces";

/** The stack whose images are used: those of the end-to-end tests, which need the same. */
const stack = "e2e";

/** Sees that the images are there, and that nothing of a run that was killed is. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const { signal } = new AbortController();
  const reporter = terminalReporter();
  const { images } = await prepareMachine({ stack, reporter, signal, forTests: true });
  await removeTraces();
  project.provide("images", Object.fromEntries(images));
  return removeTraces;
}
