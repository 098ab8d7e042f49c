import type { Component } from "../component";

/** A known weakness of one pinned package. */
export interface Finding {
  /** As the source calls it: GHSA-…, PYSEC-…, GO-…, CVE-…. */
  id: string;
  /** The same weakness elsewhere. */
  aliases: string[];
  component: Component;
  summary: string;
  /** Versions without it, as far as the source knows. */
  fixedIn: string[];
}

/** What came of asking one source. */
export interface Answer {
  source: string;
  /** Packages that were asked about. */
  asked: Component[];
  findings: Finding[];
  /** Why there is no answer, or none about some: then nothing is known, which is not the same as nothing found. */
  silence?: string;
}

/** Somewhere to ask for known advisories. */
export interface Source {
  name: string;
  /** Whether it knows of such packages. */
  covers(component: Component): boolean;
  /** @throws whatever kept it from answering. */
  ask(components: readonly Component[]): Promise<{ findings: Finding[]; silence?: string }>;
}

/** Milliseconds that a source has until it begins to answer, and may be silent in between. */
export const patience = { answer: 15_000, silence: 15_000 };

/** Asks each source about what it covers, all at the same time. None of them can fail the others. */
export async function askAll(
  sources: readonly Source[],
  components: readonly Component[],
  reason: (error: unknown) => string,
): Promise<Answer[]> {
  return Promise.all(
    sources.map(async (source): Promise<Answer> => {
      const asked = components.filter((component) => source.covers(component));
      if (asked.length === 0) return { source: source.name, asked, findings: [] };
      try {
        return { source: source.name, asked, ...(await source.ask(asked)) };
      } catch (error) {
        return { source: source.name, asked, findings: [], silence: reason(error) };
      }
    }),
  );
}
