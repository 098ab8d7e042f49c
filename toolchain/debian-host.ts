import { existsSync, readFileSync } from "node:fs";
import type { Task } from "./progress";
import { run } from "./run";

/** Whether packages can be installed here: root, on Debian or Ubuntu or one of their kin. */
export function canInstallPackages(): boolean {
  return process.getuid?.() === 0 && isDebianLike() && existsSync("/usr/bin/apt-get");
}

/** The fields of /etc/os-release; empty where there is none. */
export function osRelease(): Record<string, string> {
  const file = "/etc/os-release";
  if (!existsSync(file)) return {};
  const lines = readFileSync(file, "utf8").matchAll(/^(\w+)=(?:"(.*)"|(.*))$/gm);
  return Object.fromEntries([...lines].map(([, name = "", quoted, plain]) => [name, quoted ?? plain ?? ""]));
}

export async function installPackages(packages: readonly string[], task: Task): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Another apt may be running, as on a machine that has just started.
  const wait = ["-o", "DPkg::Lock::Timeout=300"];
  await run("apt-get", [...wait, "update"], { task, env });
  await run("apt-get", [...wait, "install", "-y", "--no-install-recommends", ...packages], { task, env });
}

function isDebianLike(): boolean {
  const { ID = "", ID_LIKE = "" } = osRelease();
  return [ID, ...ID_LIKE.split(" ")].some((id) => id === "debian" || id === "ubuntu");
}
