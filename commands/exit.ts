/**
 * Ends this process when all that it has printed is taken. A pipe holds 64 KiB: what a slow reader has not fetched by then
 * would be lost.
 */
export async function exit(code: number): Promise<never> {
  const taken = [process.stdout, process.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        // Also called if there is no reader any more.
        stream.write("", () => {
          resolve();
        });
      }),
  );
  await Promise.all(taken);
  process.exit(code);
}
