import { describe, expect, test } from "vitest";
import { container, execute } from "./docker";
import { services } from "./stack";

/** The kernel's own account of the first process, by the name of the line. */
async function processStatus(service: string): Promise<Map<string, string>> {
  const text = await execute(service, ["cat", "/proc/1/status"]);
  return new Map(text.split("\n").map((line) => line.split(/:\s*/, 2) as [string, string]));
}

/** Where anybody may write, and what belongs to the user. The last two: Docker puts files there, so no tmpfs can. */
const everywhere = ["/tmp", "/var/tmp", "/run/lock", "/home/lakestack"];
const ofAirflow = ["/opt/airflow", "/opt/spark/conf", "/opt/spark/logs", "/opt/spark/work", "/var/lib/audit"];
const writable: Record<string, string[]> = {
  airflow: ofAirflow,
  // Of the same image.
  audit: ofAirflow,
  spark: ["/opt/spark/conf", "/opt/spark/logs", "/opt/spark/work"],
  trino: ["/var/lib/trino"],
  database: ["/run/postgresql", "/var/lib/postgresql/data"],
  "object-store": ["/data"],
};

describe.each(services)("%s", (service) => {
  test("runs without root, capabilities, new privileges, and with the engine's filter of system calls", async () => {
    const status = await processStatus(service);
    expect(status.get("Uid")).toMatch(/^(\d+)\t\1\t\1\t\1$/);
    expect(status.get("Uid")).not.toMatch(/^0\t/);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(status.get(set), set).toBe("0".repeat(16));
    expect(status.get("NoNewPrivs")).toBe("1");
    expect(status.get("Seccomp")).toBe("2");
  });

  test("has a limit of memory in the kernel, nothing of the host's, and no way to the Docker engine", async () => {
    const { HostConfig, Mounts } = await container(service).inspect();
    const limit = await execute(service, [
      ...["/bin/sh", "-c"],
      "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]);
    expect(Number(limit)).toBe(HostConfig.Memory);
    expect(Number(limit)).toBeGreaterThan(0);
    expect(Mounts.filter(({ Type }) => Type !== "volume")).toEqual([]);
    const sockets = await execute(service, [
      "/bin/sh",
      "-c",
      "find / -xdev -type s -name '*.sock' 2>/dev/null || true",
    ]);
    expect(sockets).not.toMatch(/docker|containerd/);
    expect(HostConfig).toMatchObject({ Privileged: false, PidMode: "", UsernsMode: "" });
  });

  test("can change nothing of its programs, nor the files that it was given", async () => {
    const prunes = ["/proc", "/sys", "/dev"].flatMap((path, index) => [
      ...(index === 0 ? [] : ["-o"]),
      "-path",
      path,
    ]);
    const found = await execute(service, [
      ...["/bin/sh", "-c", 'find "$@" 2>/dev/null || true', "find", "/"],
      ...["(", ...prunes, ")", "-prune", "-o", "-writable", "!", "-type", "l", "-print"],
    ]);
    const [family = ""] = service.split("-");
    const allowed = [...everywhere, ...(writable[service] ?? writable[family] ?? [])];
    const others = found
      .trim()
      .split("\n")
      .filter((path) => !allowed.some((folder) => path === folder || path.startsWith(`${folder}/`)));
    expect(others).toEqual([]);
  });
});
