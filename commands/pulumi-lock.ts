import * as os from "node:os";

/** Who holds a lock on a stack's state. */
export interface Address {
  user: string;
  host: string;
  pid: number;
}

/** The holders named in the message that the file backend refuses with. */
export function lockHolders(message: string): Address[] {
  if (!/currently locked by \d+ lock/.test(message)) return [];
  return [...message.matchAll(/created by (\S+)@(\S+) \(pid (\d+)\)/g)].map(([, user, host, pid]) => ({
    user: user ?? "?",
    host: host ?? "?",
    pid: Number(pid),
  }));
}

/** True if every holder ran on this machine and has ended: the locks are leftovers. */
export function isAbandoned(holders: readonly Address[]): boolean {
  return holders.length > 0 && holders.every(({ host, pid }) => host === os.hostname() && !isAlive(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
