import { execFileSync, spawnSync } from "node:child_process";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { readOptions, unlessAborted } from "../../commands/command";
import { announcement } from "../../commands/destroy";
import { exportLines } from "../../commands/env";
import { frames } from "../../commands/logs";
import { describe as describeRun } from "../../commands/pipelines";
import { aptSource } from "../../commands/registries";
import { months, sampleFolders, sampleObjects } from "../../commands/sample-data";
import { unnamedDescendants } from "../../commands/stack-images";
import { type StackOutputs, stackOutputs } from "../../commands/stack-outputs";
import { summary } from "../../commands/summary";
import { bytes, table } from "../../commands/table";
import {
  closingLine,
  junitCounts,
  junitFailures,
  vitestCounts,
  vitestFailures,
} from "../../commands/test-counts";
import { projectFolder, withoutCredentials } from "../../toolchain/index";

const outputs: StackOutputs = {
  jdbcUrl: "jdbc:trino://localhost:8443/iceberg?SSL=true",
  trinoUrl: "https://localhost:8443",
  airflowUrl: "http://localhost:8081",
  sparkMasterUrl: "http://localhost:5050",
  objectStoreUrl: "http://localhost:9000",
  catalogUrl: "http://catalog:19120/iceberg/",
  trinoUser: "ann",
  airflowUser: "ann",
  objectStoreUser: "lakestack",
  trinoPassword: "hush-trino",
  airflowPassword: "hush-airflow",
  objectStorePassword: "hush-store",
  catalogToken: "hush-catalog",
  caCertificate: "-----BEGIN CERTIFICATE-----",
};

describe("the summary", () => {
  const text = (stack: string) =>
    summary({
      stack,
      outputs,
      rows: new Map([["iceberg.newtral.media", 1234]]),
      caFile: ".lakestack/ca.pem",
      historyUrl: "http://localhost:18080",
      times: [["checks", "0.2 s"]],
    });

  test("shows no password, but its name and the command that reads it", () => {
    expect(text("dev")).not.toContain("hush");
    for (const name of ["trinoPassword", "airflowPassword", "objectStorePassword"]) {
      expect(text("dev")).toMatch(new RegExp(`^\\S.* ${name}$`, "m"));
    }
    expect(text("dev")).toContain("pulumi stack output trinoPassword --show-secrets\n");
  });

  test("fits a terminal of a hundred columns, but for the file's path", () => {
    for (const line of text("dev").split("\n"))
      expect(line.replace(/SSLTrust.*/, "").length).toBeLessThan(100);
  });

  test("names the stack only where it is not the selected one", () => {
    expect(text("dev")).not.toContain("--stack");
    expect(text("e2e")).toContain("pulumi stack output trinoPassword --show-secrets --stack e2e");
  });

  test("has the rows read, the JDBC URL with the authority, and what DBeaver asks for", () => {
    expect(text("dev")).toContain("iceberg.newtral.media  1,234");
    expect(text("dev")).toContain(`${outputs.jdbcUrl}&SSLTrustStorePath=.lakestack/ca.pem`);
    expect(text("dev")).toMatch(/DBeaver .*host localhost, port 8443/);
  });
});

describe("outputs of the stack", () => {
  test("a missing one is named", () => {
    const { jdbcUrl, ...rest } = outputs;
    expect(jdbcUrl).toBeTruthy();
    expect(() => stackOutputs(rest)).toThrow("jdbcUrl");
  });
});

describe("npm run env", () => {
  test("any value survives the shell", () => {
    const value = `it's "a" $HOME \`x\` \\ value`;
    const script = `${exportLines({ ODD: value })}\nprintf %s "$ODD"`;
    expect(execFileSync("sh", ["-c", script], { encoding: "utf8" })).toBe(value);
  });
});

describe("tables and sizes", () => {
  test("columns are aligned by their widest cell", () => {
    expect(table(["a", "name"], [["long", "x"]])).toBe("a     name\n────  ────\nlong  x");
  });

  test("sizes have the unit that people would choose", () => {
    expect([0, 1023, 1024, 1536 * 1024, 200 * 1024 ** 2, 6 * 1024 ** 3].map(bytes)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.5 MiB",
      "200 MiB",
      "6.0 GiB",
    ]);
  });
});

describe("sample data", () => {
  const [media, comments] = sampleFolders;

  test("the small sample is the five days of each source, under the keys of the bucket's layout", async () => {
    for (const folder of sampleFolders) {
      const objects = await sampleObjects(folder, "few");
      const days = new Set(objects.map(({ day }) => day));
      expect(days.size).toBe(5);
      expect([...days].every((day) => day >= folder.few[0] && day <= folder.few[1])).toBe(true);
      expect(objects.every(({ key }) => key.startsWith(`${folder.folder}/20`))).toBe(true);
    }
  });

  test("all of it covers every month, and none of it nothing", async () => {
    if (media === undefined || comments === undefined) throw new Error("two folders expected");
    expect(months(await sampleObjects(media, "all"))).toEqual(["2018-03", "2018-04", "2018-05"]);
    expect(months(await sampleObjects(comments, "all"))).toContain("2013-07");
    expect(await sampleObjects(media, "none")).toEqual([]);
  });
});

describe("what a pipeline is doing", () => {
  const task = (task_id: string, state: string | null, try_number = 1) => ({
    task_id,
    state,
    try_number,
    map_index: -1,
    hostname: "",
  });

  test("is the number of tasks done and the one that runs", () => {
    expect(describeRun("running", [task("a", "success"), task("b", "running"), task("c", null)])).toBe(
      "1 of 3 tasks done, b running",
    );
  });

  test("tells a repeated try", () => {
    expect(describeRun("running", [task("ingest", "up_for_retry", 2)])).toBe("ingest up for retry (try 2)");
  });

  test("is waiting while the scheduler has not seen it", () => {
    expect(describeRun("queued", [])).toBe("waiting for the scheduler");
  });
});

describe("container logs", () => {
  test("are taken apart by stream, pieces of any length", () => {
    const piece = (stream: number, text: string) => {
      const header = Buffer.alloc(8);
      header[0] = stream;
      header.writeUInt32BE(Buffer.byteLength(text), 4);
      return Buffer.concat([header, Buffer.from(text)]);
    };
    const found = frames(Buffer.concat([piece(1, "größer\n"), piece(2, "oops\n"), piece(1, "")]));
    expect(found.map(({ error, text }) => [error, text.toString("utf8")])).toEqual([
      [false, "größer\n"],
      [true, "oops\n"],
      [false, ""],
    ]);
  });
});

describe("test counts", () => {
  test("of vitest, where a file that can't be loaded is a failed test", () => {
    const report = {
      numPassedTests: 5,
      numFailedTests: 1,
      numPendingTests: 2,
      numTodoTests: 1,
      testResults: [
        { status: "failed", assertionResults: [] },
        { status: "passed", assertionResults: [{}] },
      ],
    };
    expect(vitestCounts(JSON.stringify(report))).toEqual({ passed: 5, failed: 2, skipped: 3 });
  });

  test("of pytest, errors being failures", () => {
    const report =
      '<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10"><testcase/></testsuite></testsuites>';
    expect(junitCounts(report)).toEqual({ passed: 4, failed: 3, skipped: 3 });
  });

  test("come with what failed and why: of vitest by file and name, a few lines each", () => {
    const file = (name: string, message: string, assertionResults: unknown[]) => {
      return { name: `/project/tests/${name}`, status: "failed", message, assertionResults };
    };
    const report = {
      testResults: [
        file("broken.test.ts", "Cannot find module", []),
        file("1-up.test.ts", "", [
          { status: "passed", fullName: "up works", failureMessages: [] },
          {
            status: "failed",
            fullName: "up is quick",
            failureMessages: [
              `expected 2 to be 1\n    at x (/project/node_modules/y.js:1:1)\n${"at f\n".repeat(50)}`,
            ],
          },
        ]),
      ],
    };
    const [broken, failed, ...more] = vitestFailures(JSON.stringify(report), "/project");
    expect(more).toEqual([]);
    expect(broken).toBe("tests/broken.test.ts\n    Cannot find module");
    expect(failed).toContain("tests/1-up.test.ts: up is quick\n    expected 2 to be 1\n    at f");
    expect(failed?.split("\n").length).toBeLessThan(15);
  });

  test("come with what failed and why: of pytest, failures and errors", () => {
    const report =
      '<testsuites><testsuite><testcase classname="tests.test_dedup" name="test_one[a]" time="0.1" />' +
      '<testcase classname="tests.test_dedup" name="test_two" time="0.1"><failure message="assert 1 &lt; 0&#10; +  where">def</failure></testcase>' +
      '<testcase classname="" name="tests.test_gone" time="0"><error message="collection failure">E</error></testcase></testsuite></testsuites>';
    expect(junitFailures(report)).toEqual([
      "tests.test_dedup: test_two\n    assert 1 < 0\n     +  where",
      "tests.test_gone\n    collection failure",
    ]);
  });

  test("close in one line", () => {
    expect(closingLine({ passed: 3, failed: 0, skipped: 1 })).toBe("3 passed, 0 failed, 1 skipped");
  });
});

describe("registries", () => {
  test("apt's source of the release itself is found in either form, not another vendor's", () => {
    const lines =
      "deb [signed-by=/x] https://vendor.example/apt tools main\ndeb http://mirror.example/debian trixie main\n";
    expect(aptSource(lines, "trixie")).toEqual({ uri: "http://mirror.example/debian", suite: "trixie" });
    const stanza = "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\n";
    expect(aptSource(stanza, "trixie")?.uri).toBe("http://mirror.example/debian");
    expect(aptSource("", "trixie")).toBeUndefined();
  });

  test("an address is shown without its credentials", () => {
    expect(withoutCredentials("GET https://ann:pw@mirror.example/x failed")).toBe(
      "GET https://mirror.example/x failed",
    );
  });
});

describe("what destroy announces", () => {
  test("is every volume with its size, and what stays", () => {
    const text = announcement("dev", {
      containers: [{ id: "1", name: "lakestack-dev-trino" }],
      networks: [],
      volumes: [{ name: "lakestack-dev-database", size: 3 * 1024 ** 2 }, { name: "lakestack-dev-logs" }],
      images: [],
    });
    expect(text).toContain("1 container, 0 networks, 0 images");
    expect(text).toContain("lakestack-dev-database  3.0 MiB");
    expect(text).toContain("What stays: the cache");
  });
});

describe("what builds leave behind", () => {
  const image = (Id: string, ParentId: string, ...RepoTags: string[]) => ({ Id, ParentId, RepoTags });

  test("is every image without name or children that comes from one of the stack's", () => {
    const images = [
      image("base", "", "debian:trixie-slim"),
      image("builder", "base", "lakestack-dev-builder:1"),
      image("step", "builder", "<none>:<none>"),
      image("stage", "step", "<none>:<none>"),
      image("trino", "base", "lakestack-dev-trino:1"),
      image("others", "base", "<none>:<none>"),
      image("named", "step", "mine:1"),
    ];
    expect(unnamedDescendants(images, new Set(["builder", "trino"]))).toEqual(["stage"]);
  });
});

describe("options and interruption", () => {
  test("an unknown option is answered with the usage", () => {
    expect(() => readOptions("the usage", ["--dyas"], { days: { type: "string" } })).toThrow(/--dyas/);
  });

  test("work is given up when the signal is aborted", async () => {
    const controller = new AbortController();
    const work = unlessAborted(controller.signal, new Promise(() => undefined));
    controller.abort(new Error("Interrupted"));
    await expect(work).rejects.toThrow("Interrupted");
  });
});

describe("the command line", () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ["--import", "tsx", path.join("commands", "main.ts"), ...args], {
      cwd: projectFolder,
      encoding: "utf8",
    });

  test("an unknown command is answered with the list of all", () => {
    const { status, stderr } = run("upp");
    expect(status).toBe(1);
    expect(stderr).toContain('There is no command "upp".');
    for (const name of ["up", "down", "destroy", "status", "logs", "doctor", "env", "test"]) {
      expect(stderr).toContain(`npm run ${name} `);
    }
  });

  test("a wrong option ends with exit code 1, the reason and the usage, and no stack trace", () => {
    const { status, stderr } = run("up", "--days", "some");
    expect(status).toBe(1);
    expect(stderr).toContain('--days is "some", expected few, all or none.');
    expect(stderr).not.toContain("    at ");
  });

  test("--help shows the options", () => {
    const { status, stdout } = run("logs", "--help");
    expect(status).toBe(0);
    expect(stdout).toContain("--follow");
  });
});
