import { mkdtemp, rm } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";

/**
 * Does work in a new folder, which is gone afterwards, however the work ends.
 *
 * @param purpose is in the folder's name.
 */
export async function withScratch<T>(purpose: string, work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), `lakestack-${purpose}-`));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
