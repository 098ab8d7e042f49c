import type { Component } from "./component";

interface NpmLock {
  lockfileVersion: number;
  packages: Record<
    string,
    { name?: string; version?: string; integrity?: string; license?: string; link?: boolean }
  >;
}

/** The packages of a package-lock.json, in the form that npm has written since its version 7. */
export function npmPackages(text: string, foundIn: string): Component[] {
  const { lockfileVersion, packages } = JSON.parse(text) as NpmLock;
  if (lockfileVersion < 2)
    throw new Error(`${foundIn}: lockfileVersion is ${lockfileVersion}, expected 2 or 3; run npm install.`);
  return Object.entries(packages).flatMap(([place, entry]) => {
    if (place === "" || entry.link === true || entry.version === undefined) return [];
    const full = entry.name ?? place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
    const [, namespace, name = full] = /^(@[^/]+)\/(.+)$/.exec(full) ?? [];
    const hash = /^sha512-(\S+)/.exec(entry.integrity ?? "")?.[1];
    return {
      ecosystem: "npm" as const,
      namespace,
      name,
      version: entry.version,
      ...(hash === undefined
        ? {}
        : { hash: { algorithm: "SHA-512" as const, content: Buffer.from(hash, "base64").toString("hex") } }),
      licence: entry.license,
      foundIn,
    };
  });
}

/** The packages of a requirements.txt, each pinned by `==`, with hashes below. */
export function pythonRequirements(text: string, foundIn: string): Component[] {
  return text
    .replaceAll(/\\\r?\n/g, " ")
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("-"))
    .map((line) => {
      const [, name, version] = /^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)/.exec(line) ?? [];
      if (name === undefined || version === undefined)
        throw new Error(`${foundIn}: "${line}" is not pinned, expected NAME==VERSION.`);
      const hashes = [...line.matchAll(/--hash=sha256:([0-9a-f]{64})/g)].map(([, hash]) => hash ?? "");
      const [only] = hashes;
      return {
        ecosystem: "pypi" as const,
        name,
        version,
        // Several hashes are several files, of which an installation takes one.
        ...(hashes.length === 1 && only !== undefined
          ? { hash: { algorithm: "SHA-256" as const, content: only } }
          : {}),
        foundIn,
      };
    });
}

/** The modules that a go.mod requires, with its replacements. Since Go 1.17 it lists all that take part in the build. */
export function goModules(text: string, foundIn: string): Component[] {
  const statements = goStatements(text);
  const replaced = new Map<string, [string, string]>();
  for (const [, rest] of statements.filter(([verb]) => verb === "replace")) {
    const [, from = "", , to = "", version = ""] = /^(\S+)(\s+v\S+)?\s+=>\s+(\S+)\s+(v\S+)$/.exec(rest) ?? [];
    if (from !== "") replaced.set(from, [to, version]);
  }
  return statements
    .filter(([verb]) => verb === "require")
    .map(([, rest]) => {
      const [path = "", required = ""] = rest.split(/\s+/);
      const [name, version] = replaced.get(path) ?? [path, required];
      return { ecosystem: "golang" as const, name, version, foundIn };
    });
}

/** Verb and rest of each statement, be it alone on its line or in a block. */
function goStatements(text: string): [string, string][] {
  let block: string | undefined;
  return text.split(/\r?\n/).flatMap((line): [string, string][] => {
    const statement = line.replace(/\/\/.*$/, "").trim();
    if (statement === "") return [];
    if (block !== undefined) {
      if (statement !== ")") return [[block, statement]];
      block = undefined;
      return [];
    }
    const [, verb = "", rest = ""] = /^(\S+)\s+(.*)$/.exec(statement) ?? [];
    if (rest !== "(") return [[verb, rest]];
    block = verb;
    return [];
  });
}

/** Groups of the jars in a list of hashes, which has only their files' names. Most are the AWS SDK's: its line's version. */
const groups: Record<string, string> = {
  "analyticsaccelerator-s3": "software.amazon.s3.analyticsaccelerator",
  eventstream: "software.amazon.eventstream",
  "hadoop-aws": "org.apache.hadoop",
  httpclient5: "org.apache.httpcomponents.client5",
  httpcore5: "org.apache.httpcomponents.core5",
  "httpcore5-h2": "org.apache.httpcomponents.core5",
  "iceberg-spark-runtime": "org.apache.iceberg",
  "openlineage-spark_2.13": "io.openlineage",
  "reactive-streams": "org.reactivestreams",
  "wildfly-openssl": "org.wildfly.openssl",
};

/**
 * The jars of a SHA256SUMS.
 *
 * @param lines versions by which artifact and version are told apart in a file's name, and `awsSdk`, by which the SDK's
 *   own modules are known.
 */
export function jarHashes(
  text: string,
  foundIn: string,
  lines: { awsSdk: string; icebergSpark: string },
): Component[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, content = "", file = ""] = /^([0-9a-f]{64})\s+\*?(\S+)\.jar$/.exec(line) ?? [];
      const [, stem = "", version = ""] =
        /^(.+?)-(\d[\w.]*)$/.exec(file.replace(lines.icebergSpark, "")) ?? [];
      const group = groups[stem] ?? (version === lines.awsSdk ? "software.amazon.awssdk" : undefined);
      if (group === undefined)
        throw new Error(
          `${foundIn}: the group of "${line}" is not known, expected it in supply-chain/lock-files.ts.`,
        );
      return {
        ecosystem: "maven" as const,
        namespace: group,
        name: stem === "iceberg-spark-runtime" ? `${stem}${lines.icebergSpark}` : stem,
        version,
        hash: { algorithm: "SHA-256" as const, content },
        foundIn,
      };
    });
}
