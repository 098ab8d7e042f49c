// The entry point of every `npm run` command: makes sure that the packages are there, then hands over to
// commands/main.ts. Plain JavaScript without dependencies, because it runs before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const lockFile = join(project, "package-lock.json");
const stamp = join(project, "node_modules", ".lakestack-lock-hash");
/** npm writes this one at the end of every successful install. */
const npmRecord = join(project, "node_modules", ".package-lock.json");

checkNode();
installPackages();
run();

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Lakestack needs Node.js 20.19 or later; this is ${process.version} (${process.execPath}).`);
  console.error(
    "Install a newer one from your package manager, nvm, or nodejs.org, and run the command again.",
  );
  process.exit(1);
}

function installPackages() {
  const hash = createHash("sha256").update(readFileSync(lockFile)).digest("hex");
  if (upToDate(hash)) return;
  console.error("Installing packages (npm ci) …");
  // Standard output belongs to the command: npm's own goes to standard error.
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: project,
    stdio: ["ignore", 2, 2],
  });
  if (npm.error || npm.status !== 0) {
    console.error(
      `npm ci failed${npm.error ? `: ${npm.error.message}` : ""}. Mend what it says above and run the command again.`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, hash);
}

/** Either we installed from exactly this lock file, or the user ran npm since it last changed. */
function upToDate(hash) {
  if (!existsSync(npmRecord)) return false;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return true;
  if (statSync(npmRecord).mtimeMs < statSync(lockFile).mtimeMs) return false;
  writeFileSync(stamp, hash);
  return true;
}

function run() {
  const main = join(project, "commands", "main.ts");
  const child = spawn(process.execPath, ["--import", "tsx", main, ...process.argv.slice(2)], {
    cwd: project,
    stdio: "inherit",
  });
  // A terminal sends Ctrl-C to both processes: the command decides what to do, and this one waits for it.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`Cannot start Node.js: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 143);
  });
}
