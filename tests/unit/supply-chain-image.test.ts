import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { strToU8, zipSync } from "fflate";
import * as tar from "tar-stream";
import { describe, expect, it } from "vitest";
import { type Component, packageName, purl } from "../../supply-chain/component";
import { debianPackages, distribution } from "../../supply-chain/debian-packages";
import { goBinaryModules } from "../../supply-chain/go-binaries";
import { imageContents, withPinned } from "../../supply-chain/image-contents";
import { jarComponents } from "../../supply-chain/jars";
import { pythonPackage } from "../../supply-chain/python-packages";
import { projectFolder } from "../../toolchain/project";

const status = `Package: libstdc++6
Status: install ok installed
Priority: optional
Architecture: amd64
Source: gcc-14 (14.2.0-19)
Version: 14.2.0-19+b1
Description: GNU Standard C++ Library v3
 Version: 9 is no field of its own here.

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0

Package: curl
Status: install ok installed
Architecture: amd64
Version: 8.14.1-2+deb13u2
`;
const osRelease = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n';
const metadata =
  "Metadata-Version: 2.4\nName: Flask-AppBuilder\nVersion: 5.0.1\nLicense-Expression: BSD-3-Clause\n\nVersion: 9 is the description's.\n";
const pom = (group: string, artifact: string, version: string): [string, Uint8Array] => [
  `META-INF/maven/${group}/${artifact}/pom.properties`,
  strToU8(`#Generated\nartifactId=${artifact}\ngroupId=${group}\nversion=${version}\n`),
];
const jar = (...files: [string, Uint8Array][]) => zipSync(Object.fromEntries(files));
const urls = (components: readonly Component[]) => components.map(purl);

/** The section .go.buildinfo of a small program, as Go 1.26.8 wrote it, behind what stands before it in a file. */
function goProgram(): Buffer {
  const section = readFileSync(path.join(projectFolder, "tests/unit/fixtures/go-program.buildinfo"));
  return Buffer.concat([Buffer.alloc(64), section, Buffer.alloc(64)]);
}

async function archive(files: Record<string, Uint8Array | string>, mode = 0o644): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, content] of Object.entries(files)) pack.entry({ name, mode }, Buffer.from(content));
  pack.entry({ name: "etc/os-release", type: "symlink", linkname: "../usr/lib/os-release" });
  pack.finalize();
  return await buffer(pack);
}

describe("dpkg's status", () => {
  it("gives what is installed, with the source that advisories are about", () => {
    const packages = debianPackages(status, "debian-13");
    expect(urls(packages)).toEqual([
      "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19%2Bb1?arch=amd64&distro=debian-13",
      "pkg:deb/debian/curl@8.14.1-2%2Bdeb13u2?arch=amd64&distro=debian-13",
    ]);
    expect(packages.map(({ source }) => source)).toEqual([
      { name: "gcc-14", version: "14.2.0-19" },
      { name: "curl", version: "8.14.1-2+deb13u2" },
    ]);
  });

  it("belongs to the distribution of os-release", () => {
    expect(distribution(osRelease)).toBe("debian-13");
    expect(distribution("ID=debian\n")).toBe("debian");
  });
});

describe("Python's METADATA", () => {
  it("gives name, version and licence of its headers, not of the description", () => {
    expect(pythonPackage(metadata, "/x")).toEqual({
      ecosystem: "pypi",
      name: "Flask-AppBuilder",
      version: "5.0.1",
      licence: "BSD-3-Clause",
      foundIn: "/x",
    });
    expect(pythonPackage("Metadata-Version: 2.4\n", "/x")).toBeUndefined();
  });
});

describe("a jar", () => {
  it("is what its pom.properties says, with its own hash", () => {
    const content = jar(pom("org.example", "thing", "1.2"));
    expect(jarComponents(content, "/lib/thing-1.2.jar")).toEqual([
      {
        ecosystem: "maven",
        namespace: "org.example",
        name: "thing",
        version: "1.2",
        hash: { algorithm: "SHA-256", content: createHash("sha256").update(content).digest("hex") },
        foundIn: "/lib/thing-1.2.jar",
      },
    ]);
  });

  it("that swallowed others gives them all, the hash only to the one it is named after", () => {
    const content = jar(pom("a", "inner", "1"), pom("b", "outer", "2"));
    const found = jarComponents(content, "/lib/outer-2.jar");
    expect(found.map((each) => [packageName(each), each.hash !== undefined])).toEqual([
      ["b:outer", true],
      ["a:inner", false],
    ]);
  });

  it("in a jar is found, with its place", () => {
    const content = jar(["lib/inner-1.jar", jar(pom("a", "inner", "1"))], pom("b", "outer", "2"));
    const inner = jarComponents(content, "/app/outer-2.jar").find(({ name }) => name === "inner");
    expect(inner?.foundIn).toBe("/app/outer-2.jar!/lib/inner-1.jar");
  });

  it("that is pinned by its hash is the one that is pinned, whatever it says", () => {
    const content = jar(["META-INF/MANIFEST.MF", strToU8("Manifest-Version: 1.0\n")]);
    const pinned: Component = {
      ecosystem: "maven",
      namespace: "software.amazon.awssdk",
      name: "s3",
      version: "2.1",
      foundIn: "SHA256SUMS",
    };
    const known = new Map([[createHash("sha256").update(content).digest("hex"), pinned]]);
    expect(urls(jarComponents(content, "/x/s3-2.1.jar", known))).toEqual([
      "pkg:maven/software.amazon.awssdk/s3@2.1",
    ]);
  });

  it("without a description has its group from Trino's way of naming files, or none is claimed", () => {
    const content = jar(["META-INF/MANIFEST.MF", strToU8("Implementation-Version: 7.7\r\n")]);
    expect(urls(jarComponents(content, "/lib/io.airlift_units-1.10.jar"))).toEqual([
      "pkg:maven/io.airlift/units@1.10",
    ]);
    expect(urls(jarComponents(content, "/lib/scala-library-2.13.18.jar"))).toEqual([
      "pkg:generic/scala-library@2.13.18",
    ]);
    expect(urls(jarComponents(content, "/lib/plain.jar"))).toEqual(["pkg:generic/plain@7.7"]);
  });

  it("that is none is passed over", () => {
    expect(jarComponents(Buffer.from("not a zip"), "/x/y-1.jar")).toEqual([]);
  });
});

describe("a program made by Go", () => {
  it("says its modules, and the Go that made it", () => {
    const found = goBinaryModules(goProgram(), "/bin/program");
    expect(found.map(({ name, version }) => `${name} ${version}`)).toEqual([
      "stdlib 1.26.8",
      "golang.org/x/sys v0.23.0",
    ]);
  });

  it("is told from one that only looks for such", () => {
    const decoy = Buffer.concat([Buffer.from("\xff Go buildinf:", "latin1"), Buffer.alloc(64)]);
    expect(goBinaryModules(decoy, "/bin/x")).toEqual([]);
    expect(goBinaryModules(Buffer.from("#!/bin/sh\n"), "/bin/y")).toEqual([]);
    // Out of alignment before the real one.
    const shifted = Buffer.concat([
      Buffer.from("12345"),
      decoy,
      Buffer.alloc(16 - ((5 + decoy.length) % 16)),
    ]);
    expect(goBinaryModules(Buffer.concat([shifted, goProgram()]), "/bin/z").length).toBe(2);
  });

  it("counts a replaced module as what replaced it", () => {
    const text = "path\tmain\nmod\tmain\t(devel)\t\ndep\ta.org/x\tv1.0.0\n=>\tb.org/x\tv2.0.0\th1:y\n";
    const [go, modules] = [
      Buffer.from("go1.27.3"),
      Buffer.concat([Buffer.alloc(16), Buffer.from(text), Buffer.alloc(16)]),
    ];
    const head = Buffer.alloc(32);
    head.write("\xff Go buildinf:", "latin1");
    head[15] = 2;
    const program = Buffer.concat([
      head,
      Buffer.from([go.length]),
      go,
      Buffer.from([modules.length]),
      modules,
    ]);
    expect(goBinaryModules(program, "/x").map(({ name, version }) => `${name} ${version}`)).toEqual([
      "stdlib 1.27.3",
      "b.org/x v2.0.0",
    ]);
  });
});

describe("an image", () => {
  it("is read from an export: packages, jars and programs, each once", async () => {
    const text = await archive({
      "usr/lib/os-release": osRelease,
      "var/lib/dpkg/status": status,
      "opt/venv/lib/python3.13/site-packages/flask_appbuilder-5.0.1.dist-info/METADATA": metadata,
      "opt/lib/thing-1.2.jar": jar(pom("org.example", "thing", "1.2")),
      "opt/copy/thing-1.2.jar": jar(pom("org.example", "thing", "1.2")),
      "home/notes.txt": "nothing of note",
    });
    expect(urls(await imageContents(Readable.from([text]), []))).toEqual([
      "pkg:deb/debian/curl@8.14.1-2%2Bdeb13u2?arch=amd64&distro=debian-13",
      "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19%2Bb1?arch=amd64&distro=debian-13",
      "pkg:maven/org.example/thing@1.2",
      "pkg:pypi/flask-appbuilder@5.0.1",
    ]);
  });

  it("has its programs read, whatever they are called", async () => {
    const text = await archive({ "usr/local/bin/anything": goProgram() }, 0o755);
    expect((await imageContents(Readable.from([text]), [])).map(({ name }) => name)).toContain(
      "golang.org/x/sys",
    );
  });

  it("whose export breaks off is not half read", async () => {
    const text = await archive({ "var/lib/dpkg/status": status.repeat(20) });
    await expect(imageContents(Readable.from([text.subarray(0, 1000)]), [])).rejects.toThrow();
  });

  it("keeps what is pinned and does not describe itself, but no modules that were not linked", () => {
    const of = (ecosystem: Component["ecosystem"], name: string): Component => ({
      ecosystem,
      name,
      version: "1",
      foundIn: "",
    });
    const pinned = [of("pypi", "pyspark"), of("golang", "a.org/unused")];
    expect(withPinned([of("golang", "a.org/used")], pinned).map(({ name }) => name)).toEqual([
      "a.org/used",
      "pyspark",
    ]);
    expect(withPinned([of("deb", "curl")], pinned).map(({ name }) => name)).toContain("a.org/unused");
  });
});
