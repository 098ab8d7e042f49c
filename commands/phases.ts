import { elapsed } from "../toolchain/index";

/** A part of a command and how long it took. */
export interface Phase {
  name: string;
  milliseconds: number;
}

/** Measures the parts of a command, one after the other. */
export class Phases {
  readonly all: Phase[] = [];

  async measure<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.all.push({ name, milliseconds: performance.now() - start });
    }
  }

  /** Each phase and all together, for a table. */
  rows(): [name: string, time: string][] {
    const total = this.all.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const phases = [...this.all, { name: "all", milliseconds: total }];
    return phases.map(({ name, milliseconds }) => [name, elapsed(milliseconds)]);
  }
}
