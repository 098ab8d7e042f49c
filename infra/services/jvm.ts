/**
 * Heap of a JVM in a container of `memoryMiB`, both in MiB: six tenths of it. The rest is for what a JVM needs beside
 * its heap: direct buffers, metaspace, code and threads.
 */
export const heapOf = (memoryMiB: number): number => Math.floor(memoryMiB * 0.6);
