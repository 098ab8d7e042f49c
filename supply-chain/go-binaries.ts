import type { Component } from "./component";

const magic = Buffer.from("\xff Go buildinf:", "latin1");
/** The header: magic, pointer size, flags, and zeros up to the strings. */
const headerSize = 32;
/** Set where the strings follow in the file itself, as they do since Go 1.18. */
const inlineStrings = 2;
/** Bytes before and after the text of modules, by which a debugger finds it in memory. */
const sentinel = 16;

/** The modules that a program built by Go says it is made of, and Go's own library. Empty if it is none. */
export function goBinaryModules(program: Buffer, foundIn: string): Component[] {
  const info = buildInfo(program);
  if (info === undefined) return [];
  const component = (name: string, version: string): Component => ({
    ecosystem: "golang",
    name,
    version,
    foundIn,
  });
  const modules: Component[] = [];
  for (const line of info.modules.split("\n")) {
    const [kind, name = "", version = ""] = line.split("\t");
    if (kind === "dep" || (kind === "mod" && version !== "(devel)")) modules.push(component(name, version));
    // What the module above was replaced by.
    else if (kind === "=>") modules.splice(-1, 1, component(name, version));
  }
  // `go1.27.3 X:experiment`
  const [release = ""] = info.go.split(" ");
  return [
    component("stdlib", release.replace(/^go/, "")),
    ...modules.filter(({ version }) => version !== ""),
  ];
}

function buildInfo(program: Buffer): { go: string; modules: string } | undefined {
  for (let at = program.indexOf(magic); at >= 0; at = program.indexOf(magic, at + 1)) {
    // Programs that read others' build information hold the magic as a constant, too; the real one is aligned.
    if (at % 16 !== 0 || ((program[at + magic.length + 1] ?? 0) & inlineStrings) === 0) continue;
    const [go, next] = text(program, at + headerSize);
    const [modules] = text(program, next);
    if (!go.toString().startsWith("go")) continue;
    return { go: go.toString(), modules: modules.subarray(sentinel, -sentinel).toString() };
  }
  return undefined;
}

/** A string with its length before it, seven bits a byte, and where it ends. */
function text(program: Buffer, start: number): [Buffer, number] {
  let length = 0;
  let at = start;
  for (let shift = 0; at < program.length && shift < 32; shift += 7) {
    const byte = program[at++] ?? 0;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return [program.subarray(at, at + length), at + length];
}
