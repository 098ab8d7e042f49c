import { describe, expect, it } from "vitest";
import { readSubmitted, report, type SparkScalingMeasurement } from "../../bench/spark-scaling";
import { quantity } from "../../bench/spark-scaling-node";
import { objects } from "../../bench/spark-scaling-objects";

const measured = (
  mode: "workers" | "pods",
  jobs: number,
  end: number[],
  pods: number,
): SparkScalingMeasurement => ({
  ...{ mode, jobs, end, pods, firstTask: end.map((each) => each / 2), podSeconds: 10, nodeSeconds: 20 },
});

const lines = (text: string) => text.split("\n").map((line) => line.trim().replace(/ {2,}/g, " | "));

describe("the benchmark of Spark's scaling", () => {
  it("shows medians of the rounds, and how a pod an executor compares with the workers", () => {
    const results = [
      ...[10, 14, 30].map((end) => measured("workers", 1, [end], 0)),
      ...[20, 21, 22].map((end) => measured("pods", 1, [end], 1)),
    ];
    expect(lines(report({ results }))).toEqual(
      expect.arrayContaining([
        "1 | first task | 7 | 10.5 | 1.50 ×",
        "1 | last end | 14 | 21 | 1.50 ×",
        // Nothing has no proportion.
        "1 | pods made | 0 | 1",
      ]),
    );
  });

  it("counts a burst as ended with its last job", () => {
    const results = [measured("workers", 4, [10, 40, 20, 30], 3), measured("pods", 4, [10, 20, 20, 10], 4)];
    expect(lines(report({ results }))).toEqual(
      expect.arrayContaining([
        "4 | last end | 40 | 20 | 0.50 ×",
        "4 | first task of the last | 20 | 10 | 0.50 ×",
      ]),
    );
  });

  it("reads what the submitter wrote last", () => {
    const [seen] = readSubmitted('WARN something\n[{"firstTask": 7.5, "end": 20.25, "executors": 1}]\n');
    expect(seen).toMatchObject({ firstTask: 7.5, end: 20.25 });
  });

  it("reads Kubernetes' numbers", () => {
    expect(["2", "250m", "5000000n", "1Ki", "2Mi"].map(quantity)).toEqual([2, 0.25, 0.005, 1024, 2 ** 21]);
    expect(quantity("3parsecs")).toBeNaN();
  });

  it("submits the same job with the same limits to both", () => {
    const [programs] = objects("space", "spark:1").filter(({ kind }) => kind === "ConfigMap");
    const { data } = programs as unknown as { data: Record<string, string> };
    const options = (mode: string) => JSON.parse(data[`${mode}.json`] ?? "") as string[];
    const of = (mode: string, name: string) => options(mode).find((each) => each.startsWith(`${name}=`));
    for (const name of ["spark.executor.memory", "spark.executor.cores", "spark.driver.memory"])
      expect(of("pods", name), name).toBe(of("workers", name));
    expect(of("workers", "spark.cores.max")).toBe("spark.cores.max=1");
    expect(of("pods", "spark.dynamicAllocation.maxExecutors")).toBe("spark.dynamicAllocation.maxExecutors=1");
    expect(options("pods")).toContain("k8s://https://kubernetes.default.svc:443");
  });
});
