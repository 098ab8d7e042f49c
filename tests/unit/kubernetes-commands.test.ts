import { describe, expect, it } from "vitest";
import { assertOnDocker } from "../../commands/docker-only";

// The example in the repository is a stack on Kubernetes.
const stack = "kubernetes";

describe("commands that drive containers on this machine", () => {
  it.each([
    ["up", "pulumi up --stack kubernetes"],
    ["destroy", "pulumi destroy --stack kubernetes"],
    ["status", "kubectl -n lakestack get pods"],
    ["logs", "kubectl -n lakestack logs"],
    ["down", "kubectl -n lakestack scale"],
  ])("say what to use in place of %s for a stack on Kubernetes", async (command, instead) => {
    await expect(assertOnDocker(command, stack)).rejects.toMatchObject({
      message: expect.stringContaining("Stack kubernetes runs on kubernetes") as unknown,
      remedy: expect.stringContaining(instead) as unknown,
    });
  });

  it("leave the others, and stacks in Docker, alone", async () => {
    await assertOnDocker("doctor", stack);
    await assertOnDocker("status", "dev");
  });
});
