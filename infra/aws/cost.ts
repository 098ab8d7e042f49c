import priceTable from "./prices.json";
import type { Sizes } from "./sizes";

/** Prices of one region; units are in the names. `databaseHour` and its disk are for two zones. */
type Prices = (typeof priceTable.regions)["eu-west-1"];

/** One line of the estimate. */
export interface CostLine {
  part: string;
  /** How the amount comes about. */
  reckoning: string;
  /** US dollars a month. */
  amount: number;
}

export const pricesDate = priceTable.date;
export const pricedRegions = Object.keys(priceTable.regions);

/** Interface endpoints of the network, each in three zones. */
const endpoints = 4 * 3;
const keys = 3;
/** Images of a handful of releases. */
const imagesGiB = 25;

/**
 * What a stack costs a month, when nothing scales and spot nodes cost what they usually do.
 *
 * @param doors number of load balancers.
 * @param ownNetwork whether the stack makes its network: the gateways and endpoints of an existing one are its owner's.
 * @throws RangeError if the table has no price for the region or for a type of instance.
 */
export function monthlyCost(sizes: Sizes, region: string, doors: number, ownNetwork = true): CostLine[] {
  const prices = pricesOf(region);
  const hours = priceTable.hoursPerMonth;
  const nodes = sizes.serviceNodes + sizes.workerNodes;
  const worker = priceOf(prices.instanceHour, sizes.workerInstances[0] ?? "", region);
  const line = (part: string, count: number, each: number, unit: string): CostLine => ({
    part,
    reckoning: `${count} × ${each.toFixed(each < 10 ? 3 : 2)} ${unit}`,
    amount: count * each,
  });
  const hourly = (part: string, count: number, each: number) => ({
    ...line(part, count, each, "an hour"),
    amount: count * each * hours,
  });
  return [
    hourly("EKS control plane", 1, prices.clusterHour),
    hourly(
      `nodes for services (${sizes.serviceInstance})`,
      sizes.serviceNodes,
      priceOf(prices.instanceHour, sizes.serviceInstance, region),
    ),
    hourly(
      `nodes for workers (${sizes.workerInstances[0] ?? ""}, spot)`,
      sizes.workerNodes,
      worker * prices.spotShare,
    ),
    line("disks of the nodes, GiB", nodes * sizes.nodeDisk, prices.diskGiBMonth, "a month"),
    hourly("NAT gateways", ownNetwork ? sizes.natGateways : 0, prices.natHour),
    line("traffic through NAT gateways, GiB", sizes.expectedTraffic, prices.natGiB, "each"),
    hourly("endpoints of AWS services", ownNetwork ? endpoints : 0, prices.endpointHour),
    hourly(
      `database (${sizes.databaseInstance}, two zones)`,
      1,
      priceOf(prices.databaseHour, sizes.databaseInstance, region),
    ),
    line("disk of the database, GiB", sizes.databaseDisk, prices.databaseDiskGiBMonth, "a month"),
    line("data in S3, GiB", sizes.expectedData, prices.storageGiBMonth, "a month"),
    line("logs, GiB", sizes.expectedLogs, prices.logGiB, "each"),
    line("metrics of the nodes", nodes, prices.metricNodeMonth, "a month"),
    line("keys", keys, prices.keyMonth, "a month"),
    line("images, GiB", imagesGiB, prices.registryGiBMonth, "a month"),
    hourly("load balancers", doors, prices.balancerHour),
  ].filter(({ amount }) => amount > 0);
}

/** What the estimate leaves out, so that nobody takes it for a bill. */
export const leftOut =
  "Left out: requests to S3 and KMS, traffic to the internet and between zones, backups beyond the database's size, " +
  "nodes that the autoscaler adds, tax, support, discounts.";

function pricesOf(region: string): Prices {
  const found = Object.entries(priceTable.regions).find(([name]) => name === region)?.[1];
  if (found === undefined) {
    throw new RangeError(`There are no prices for ${region}, only for ${pricedRegions.join(", ")}`);
  }
  return found;
}

function priceOf(prices: Record<string, number>, type: string, region: string): number {
  const found = prices[type];
  if (found === undefined) {
    throw new RangeError(
      `There is no price for ${type} in ${region}; infra/aws/prices.json has ${Object.keys(prices).join(", ")}`,
    );
  }
  return found;
}
