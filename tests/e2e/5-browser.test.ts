import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allRuns, dag } from "./airflow";
import { executablePath, openBrowser, takePicture } from "./browser";
import { outputs } from "./lakestack";
import { ports } from "./stack";
import { until } from "./until";

const noBrowser = "no Chrome, Chromium or Edge on this machine: install one, or set CHROME_PATH";

let browser: Browser | undefined;
let page: Page;

beforeAll(async () => {
  if (executablePath === undefined) return;
  browser = await openBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(60_000);
});

afterAll(() => browser?.close());

test("Airflow's page lets the administrator in with the generated password", async ({ skip }) => {
  if (browser === undefined) skip(noBrowser);
  await page.goto(outputs.airflowUrl);
  await page.getByLabel("Username").fill(outputs.airflowUser);
  await page.getByLabel("Password").fill(outputs.airflowPassword);
  await takePicture(page, "airflow-login");
  await page.getByRole("button", { name: "Sign In" }).click();
  await page.getByRole("link", { name: "Dags", exact: true }).first().waitFor();
  await takePicture(page, "airflow-home");
});

test("a pipeline is switched on with one click", async ({ skip }) => {
  if (browser === undefined) skip(noBrowser);
  const id = "etl_spark_nowhere_monthly";
  expect(await dag(id)).toMatchObject({ is_paused: true });
  await page.goto(`${outputs.airflowUrl}/dags`);
  await page.getByPlaceholder("Search Dags").fill(id);
  await page.getByText("1 Dag", { exact: true }).waitFor();
  await page.getByTestId("toggle-pause").click();
  await until("the pipeline is on", 30, async () => !(await dag(id)).is_paused);
  await takePicture(page, "airflow-pipeline-on");
});

test("the list of pipelines shows how the latest runs ended", async ({ skip }) => {
  if (browser === undefined) skip(noBrowser);
  await page.goto(`${outputs.airflowUrl}/dags`);
  for (const id of ["create_tables", "etl_spark_media_daily", "etl_spark_media_monthly"]) {
    await page.getByRole("link", { name: id, exact: true }).first().waitFor();
  }
  await takePicture(page, "airflow-pipelines");
});

test("Spark's history page lists the jobs that ended and opens one", async ({ skip }) => {
  if (browser === undefined) skip(noBrowser);
  await page.goto(`http://localhost:${ports.sparkHistoryPort}`);
  await page.getByText("Loading history summary").waitFor({ state: "hidden" });
  await takePicture(page, "spark-history");
  // One that surely had work for Spark, which none has that finds nothing new.
  await page.getByRole("searchbox").fill("ingest media 2018-04-01..2018-05-01");
  const job = page.locator("#history-summary-table tbody tr a").first();
  await job.click();
  await page.getByText("Completed Jobs").first().waitFor();
});

test("a person who opens a failed run's task reads why it failed", async ({ skip }) => {
  if (browser === undefined) skip(noBrowser);
  const failed = (await allRuns()).find(
    (run) => run.dag_id === "etl_spark_nowhere_daily" && run.state === "failed",
  );
  expect(failed).toBeDefined();
  const id = encodeURIComponent(failed?.dag_run_id ?? "");
  await page.goto(`${outputs.airflowUrl}/dags/etl_spark_nowhere_daily/runs/${id}/tasks/ingest`);
  await page.getByText("The prefix s3a://source/Nowhere/ does not exist").first().waitFor();
  await takePicture(page, "airflow-failure");
});
