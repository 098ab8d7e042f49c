import { expect, test } from "vitest";
import { belongings } from "./docker";
import { npmRun } from "./lakestack";

test("npm run destroy leaves no container, network, volume or image of the stack", async () => {
  expect((await belongings()).length).toBeGreaterThan(0);
  const { stdout, seconds } = await npmRun("destroy", "--yes");
  console.log(`npm run destroy: ${seconds.toFixed(1)} s`);
  expect(stdout).toContain("ALL DATA");
  expect(await belongings()).toEqual([]);
});
