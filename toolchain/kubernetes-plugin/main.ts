import { version } from "@pulumi/kubernetes/package.json";
import { serveProvider } from "../plugin-protocol/serve";
import { KubernetesProvider } from "./provider";

serveProvider(new KubernetesProvider(), { name: "kubernetes", version });
