import type { ContainerArgs } from "@pulumi/docker";
import type { PropertyTable } from "../property-table";
import type { Found, Request } from "./engine-types";
import { healthProperties } from "./health";
import { isolationProperties } from "./isolation";
import { lifecycleProperties } from "./lifecycle";
import { limitProperties } from "./limits";
import { networkingProperties } from "./networking";
import { processProperties } from "./process";
import { storageProperties } from "./storage";

/** Every property of a container. */
export const containerTable: PropertyTable<ContainerArgs, Request, Found> = {
  ...processProperties,
  ...limitProperties,
  ...isolationProperties,
  ...networkingProperties,
  ...storageProperties,
  ...healthProperties,
  ...lifecycleProperties,
};
