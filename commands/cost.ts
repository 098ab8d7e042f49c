import { type CostLine, leftOut, monthlyCost, pricedRegions, pricesDate } from "../infra/aws/cost";
import { architectures, overridden, preset, sizeNames } from "../infra/aws/sizes";
import { UserError } from "../toolchain/index";
import { type Command, readOptions } from "./command";
import { Settings } from "./settings";
import { table } from "./table";

const usage = [
  "npm run cost                          what the stack prod costs a month, by the price table of this project",
  "npm run cost -- --stack NAME          another stack's settings",
  "npm run cost -- --size medium         another size: small, medium or large",
  "npm run cost -- --region us-east-1    another region",
].join("\n");

export const command: Command = {
  usage,
  async run(args) {
    const { values } = readOptions(usage, args, {
      stack: { type: "string", default: "prod" },
      size: { type: "string" },
      region: { type: "string" },
    });
    const settings = await Settings.read(values.stack);
    const text = (key: string) => {
      const value = settings.get(key);
      return typeof value === "string" ? value : "";
    };
    const size = oneOf(sizeNames, values.size ?? text("awsSize"), "size");
    const architecture = oneOf(architectures, text("awsArchitecture"), "architecture");
    const region = oneOf(pricedRegions, values.region ?? text("awsRegion"), "region with known prices");
    const doors = ["awsTrinoDoor", "awsAirflowDoor"].filter((key) => text(key) !== "none").length;
    const sizes = overridden(preset(size, architecture), text("awsOverrides"), (expected) => {
      throw new UserError(
        `awsOverrides of stack ${values.stack} can't be used: expected ${expected}.`,
        usage,
      );
    });
    console.log(
      render(
        estimate(() => monthlyCost(sizes, region, doors, text("awsVpcId") === "")),
        { size, region },
      ),
    );
    return 0;
  },
};

/** The lines, or what the table lacks. */
function estimate(reckon: () => CostLine[]): CostLine[] {
  try {
    return reckon();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(`${error.message}.`, "Add the price to infra/aws/prices.json.", { cause: error });
  }
}

/** The estimate as people read it. */
export function render(lines: CostLine[], { size, region }: { size: string; region: string }): string {
  const dollars = (amount: number) => amount.toFixed(0).padStart(7);
  const total = lines.reduce((sum, { amount }) => sum + amount, 0);
  return [
    `Size ${size} in ${region}, US dollars a month, list prices of ${pricesDate}:`,
    "",
    table(
      ["part", "how many × price", "a month"],
      [
        ...lines.map(({ part, reckoning, amount }) => [part, reckoning, dollars(amount)]),
        ["sum", "", dollars(total)],
      ],
    ),
    "",
    `An estimate, good for choosing a size. ${leftOut}`,
  ].join("\n");
}

function oneOf<T extends string>(choices: readonly T[], value: string, what: string): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined)
    throw new UserError(`"${value}" is no ${what}, expected one of ${choices.join(", ")}.`, usage);
  return found;
}
