/**
 * The images that the classic builder leaves behind for a Dockerfile's earlier stages: nameless, but kept by the engine,
 * which starts from them when the file is built again. Known only from the builder's output.
 *
 * @param output the builder's lines
 * @returns the last image of each stage but the last
 */
export function stageImages(output: string[]): string[] {
  const stages: string[] = [];
  let last: string | undefined;
  let isFrom = false;
  for (const line of output) {
    const step = /^Step \d+\/\d+ : (\w+)/.exec(line)?.[1]?.toUpperCase();
    const image = /^ ---> ([0-9a-f]{12})$/.exec(line)?.[1];
    if (step !== undefined) {
      isFrom = step === "FROM";
      if (isFrom && last !== undefined) stages.push(last);
      if (isFrom) last = undefined;
    } else if (image !== undefined) {
      // What a FROM step shows is the image it names: somebody else's.
      if (!isFrom) last = image;
    }
  }
  return stages;
}
