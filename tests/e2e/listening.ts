export interface Listener {
  /** An IPv4 address with dots; of IPv6 the kernel's 32 hexadecimal digits. */
  address: string;
  port: number;
}

/** What is listened at, from the kernel's table (/proc/net/tcp): addresses are little-endian words in hexadecimal. */
export function listening(table: string): Listener[] {
  const [, ...lines] = table.trim().split("\n");
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === "0A")
    .map(([, local = ""]) => {
      const [words = "", port = ""] = local.split(":");
      const bytes = Buffer.from(words, "hex");
      return {
        address: words.length === 8 ? [...bytes.reverse()].join(".") : words,
        port: Number.parseInt(port, 16),
      };
    });
}

/** ::1 and 127.0.0.0/8, this also in the form that IPv6 has for it. */
export const isLoopback = ({ address }: Listener): boolean =>
  address.startsWith("127.") ||
  address === `${"0".repeat(24)}01000000` ||
  /^0{16}FFFF0000......7F$/.test(address);
