import type { Source } from "../infra/sources";
import type { Reporter } from "../toolchain/index";
import type { PipelineRun } from "./pipelines";
import { months, sampleFolders, sampleObjects, type SampleSize, upload } from "./sample-data";
import type { StackOutputs } from "./stack-outputs";

export interface LoadedSamples {
  /** Number of objects that were not in the bucket before. */
  uploaded: number;
  /** What ingests them. */
  runs: PipelineRun[];
  /** Tables that have rows when the runs have succeeded. */
  tables: string[];
}

/** Puts the sample data into the buckets of the sources it was made for, and says which pipelines ingest it. */
export async function loadSamples(options: {
  sources: readonly Source[];
  size: SampleSize;
  outputs: StackOutputs;
  reporter: Reporter;
  signal: AbortSignal;
}): Promise<LoadedSamples> {
  const { sources, size, outputs, reporter, signal } = options;
  const loaded: LoadedSamples = { uploaded: 0, runs: [], tables: [] };
  for (const folder of sampleFolders) {
    const source = sources.find(({ name }) => name === folder.source);
    // A source that was pointed elsewhere has data of its own.
    if (source === undefined || source.endpoint !== undefined || source.prefix !== `${folder.folder}/`)
      continue;

    const objects = await sampleObjects(folder, size);
    if (objects.length === 0) continue;
    const store = {
      endpoint: outputs.objectStoreUrl,
      user: outputs.objectStoreUser,
      password: outputs.objectStorePassword,
      bucket: source.bucket,
    };
    const put = await upload(objects, store, { reporter, title: `Sample data ${folder.folder}`, signal });
    const refreshed = new Set(months(put));
    loaded.uploaded += put.length;
    loaded.tables.push(source.table);
    for (const month of months(objects)) {
      loaded.runs.push({
        dag: `etl_spark_${source.name}_monthly`,
        id: size === "all" ? `sample-${month}-all` : `sample-${month}`,
        conf: { month },
        title: `${source.name} ${month}`,
        again: refreshed.has(month),
      });
    }
  }
  return loaded;
}
