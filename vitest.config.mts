import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import longTests from "./tests/long.json" with { type: "json" };

/** No bound on what is tested: the time after which a test that hangs is ended, on the slowest machine. */
const minutes = 60_000;

/**
 * Left to `npm run test:all`: tests/long.json says why, decision 0048 why at all. `npm run test:e2e -- FILE` and
 * `npm run test:cluster -- FILE …` set the variable, too.
 */
const exclude = process.env["LAKESTACK_LONG_TESTS"] === undefined ? Object.keys(longTests) : [];

/** Files in the order of their names: the end-to-end tests tell one story. */
class ByName extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve(files.toSorted((a, b) => a.moduleId.localeCompare(b.moduleId)));
  }
}

/** One project a folder of tests: they differ in what they need and in how long they take. */
export default defineConfig({
  test: {
    sequence: { sequencer: ByName },
    // Vitest would leave one core to others, which on two cores is half.
    maxWorkers: "100%",
    projects: [
      // Plain values and small programs, with Pulumi's mocks; no containers, no network.
      {
        extends: true,
        test: {
          name: "unit",
          include: ["tests/unit/**/*.test.ts"],
          testTimeout: minutes,
          hookTimeout: minutes,
        },
      },
      // Whole programs for a laptop, a cluster and AWS, evaluated with the same mocks.
      {
        extends: true,
        test: {
          name: "programs",
          include: ["tests/programs/**/*.test.ts"],
          testTimeout: 5 * minutes,
          hookTimeout: 5 * minutes,
        },
      },
      {
        // A real Docker engine.
        extends: true,
        test: {
          name: "docker-plugin",
          include: ["tests/docker-plugin/**/*.test.ts"],
          testTimeout: 5 * minutes,
          hookTimeout: 5 * minutes,
          fileParallelism: false,
        },
      },
      {
        // A real Kubernetes cluster.
        extends: true,
        test: {
          name: "kubernetes-plugin",
          include: ["tests/kubernetes-plugin/**/*.test.ts"],
          exclude,
          testTimeout: 5 * minutes,
          hookTimeout: 5 * minutes,
          fileParallelism: false,
        },
      },
      {
        // A real engine, language host and plugin.
        extends: true,
        test: {
          name: "toolchain",
          include: ["tests/toolchain/**/*.test.ts"],
          testTimeout: 20 * minutes,
          hookTimeout: 20 * minutes,
          fileParallelism: false,
        },
      },
      {
        // A real Kubernetes cluster: the tests share it.
        extends: true,
        test: {
          name: "cluster",
          include: ["tests/cluster/**/*.test.ts"],
          exclude,
          testTimeout: 20 * minutes,
          hookTimeout: 40 * minutes,
          fileParallelism: false,
        },
      },
      {
        // A fake AWS in a container, and some of the services on it.
        extends: true,
        test: {
          name: "fake-aws",
          include: ["tests/fake-aws/**/*.test.ts"],
          testTimeout: 5 * minutes,
          hookTimeout: 10 * minutes,
          fileParallelism: false,
          globalSetup: ["tests/fake-aws/set-up.ts"],
        },
      },
      {
        // The whole stack: one test after the other, since they share it.
        extends: true,
        test: {
          name: "e2e",
          include: ["tests/e2e/**/*.test.ts"],
          exclude,
          testTimeout: 20 * minutes,
          hookTimeout: 40 * minutes,
          fileParallelism: false,
          globalSetup: ["tests/e2e/set-up.ts"],
          setupFiles: ["tests/e2e/evidence.ts"],
        },
      },
    ],
  },
});
