import { describe, expect, it } from "vitest";
import { monthlyCost, pricedRegions } from "../../infra/aws/cost";
import { architectures, preset, sizeNames } from "../../infra/aws/sizes";
import { render } from "../../commands/cost";

const sum = (lines: { amount: number }[]) => lines.reduce((total, { amount }) => total + amount, 0);

describe("the estimate of the cost", () => {
  it("knows a price for everything in every size, region and architecture", () => {
    for (const region of pricedRegions) {
      for (const size of sizeNames) {
        for (const architecture of architectures) {
          expect(sum(monthlyCost(preset(size, architecture), region, 2))).toBeGreaterThan(100);
        }
      }
    }
  });

  it("grows with the size", () => {
    const [small = 0, medium = 0, large = 0] = sizeNames.map((size) =>
      sum(monthlyCost(preset(size, "amd64"), "eu-west-1", 0)),
    );
    expect(medium).toBeGreaterThan(small);
    expect(large).toBeGreaterThan(medium);
  });

  it("reckons hours as a month's 730", () => {
    const lines = monthlyCost(preset("small", "amd64"), "us-east-1", 0);
    expect(lines.find(({ part }) => part === "EKS control plane")?.amount).toBeCloseTo(73);
  });

  it("leaves the gateways and endpoints of an existing network to its owner", () => {
    const partsOf = (ownNetwork: boolean) =>
      monthlyCost(preset("small", "amd64"), "eu-west-1", 0, ownNetwork).map(({ part }) => part);
    const [own, existing] = [partsOf(true), partsOf(false)];
    expect(own.filter((part) => !existing.includes(part))).toEqual([
      "NAT gateways",
      "endpoints of AWS services",
    ]);
  });

  it("says what it has no price for", () => {
    const sizes = { ...preset("small", "amd64"), serviceInstance: "x1.huge" };
    expect(() => monthlyCost(sizes, "eu-west-1", 0)).toThrow("There is no price for x1.huge in eu-west-1");
    expect(() => monthlyCost(sizes, "mars-1", 0)).toThrow("There are no prices for mars-1");
  });

  it("shows the sum of its lines and the date of its prices", () => {
    const lines = [
      { part: "a", reckoning: "1 × 2", amount: 10.4 },
      { part: "b", reckoning: "1 × 3", amount: 20.4 },
    ];
    const text = render(lines, { size: "small", region: "eu-west-1" });
    expect(text).toMatch(/^sum\s+31$/m);
    expect(text).toMatch(/list prices of 20\d\d-\d\d/);
  });
});
