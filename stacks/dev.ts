import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../infra/config";
import {
  auditKeeper,
  certificateWatch,
  contentsTask,
  gateways,
  identityProvider,
  lineageReceiver,
  loginsTask,
  outsideSources,
} from "../infra/connections";
import { Images } from "../infra/images";
import { DockerPlatform, loopback } from "../infra/platforms/docker";
import { readOwnCertificate } from "../infra/own-certificate";
import { loadSecrets } from "../infra/secrets";
import { contentsFromHere } from "../infra/services/store-preparation";
import { calledNames, trinoHosts } from "../infra/services/trino";
import { loadSources } from "../infra/sources";
import { lakehouse, ownDatabase, ownObjectStore, stackOutputs } from "./lakehouse";
import type { StackOutputs, Wiring } from "./lakehouse";

/** The whole lakehouse in containers on one machine. */
export async function dev(config: StackConfig): Promise<StackOutputs> {
  const stack = pulumi.getStack();
  const sources = loadSources(config.sourcesFile);
  const secrets = await loadSecrets(trinoHosts(stack), readOwnCertificate(config, [...calledNames]));

  const images = new Images("images", { stack });
  const platform = new DockerPlatform("docker", {
    stack,
    // The deployment does from this machine what tasks do elsewhere.
    absent: [
      contentsTask,
      loginsTask,
      outsideSources,
      lineageReceiver,
      identityProvider,
      certificateWatch,
      ...Object.values(gateways),
      ...(config.audit ? [] : [auditKeeper]),
      ...(config.trinoWorkers === 0 ? ["trino-worker"] : []),
    ],
  });
  const wiring: Wiring = { config, platform, secrets, sources, image: (name) => images.ref(name) };

  const objectStoreUrl = `http://${loopback}:${config.objectStorePort}`;
  const objectStore = ownObjectStore(wiring, contentsFromHere(objectStoreUrl));
  const database = ownDatabase(wiring);
  const { catalog, trino } = lakehouse(wiring, objectStore, database);

  return stackOutputs(wiring, trino, {
    trinoHost: "localhost",
    trinoPort: config.trinoPort,
    airflowUrl: `http://localhost:${config.airflowPort}`,
    sparkMasterUrl: `http://localhost:${config.sparkMasterPort}`,
    objectStoreUrl,
    // Inside the stack, unless it is published.
    catalogUrl: config.publishCatalog ? `http://localhost:${config.catalogPort}/iceberg/` : catalog.uri,
  });
}
