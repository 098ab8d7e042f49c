// Loaded by Node before the program (Pulumi.yaml) and before the runner of dynamic providers: what they load, and how, is a
// quarter of the time that an unchanged `up` takes (docs/decisions/0044). Plain JavaScript without dependencies, because
// nothing may be loaded before it.
const Module = require("node:module");
const path = require("node:path");

/*
 * Pulumi's SDK loads TypeScript and npm's dependency resolver with every process, for functions that are turned into text.
 * Few programs have any: here both are loaded when a property of theirs is first read.
 */

/** What is put off, by who asks for it: nobody else's `require` is touched. */
const late = new Map([
  ["typescript", path.join("@pulumi", "pulumi", "typescript-shim.js")],
  ["@npmcli/arborist", path.join("@pulumi", "pulumi", "runtime", "closure", "codePaths.js")],
]);

const load = Module._load;

Module._load = function (request, parent, ...rest) {
  const now = () => load.call(this, request, parent, ...rest);
  const asker = late.get(request);
  if (asker === undefined || !parent?.filename?.endsWith(path.sep + asker)) return now();
  // Fails here, and not at first use, if the package isn't there: the SDK has another way then.
  Module._resolveFilename(request, parent);
  return new Proxy({}, { get: (_, name) => (name === "__esModule" ? true : now()[name]) });
};

/*
 * tsx, which comes later, looks through every file for TypeScript and newer syntax. Packages have neither; the program has.
 */

const packages = path.sep + "node_modules" + path.sep;
const plain = Module._extensions[".js"];
let loader = plain;

Object.defineProperty(Module._extensions, ".js", {
  configurable: true,
  enumerable: true,
  get: () => loader,
  set: (later) => {
    loader = (module, file) => (file.includes(packages) ? plain : later)(module, file);
  },
});
