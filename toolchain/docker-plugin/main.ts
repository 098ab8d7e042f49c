import { version } from "@pulumi/docker/package.json";
import { serveProvider } from "../plugin-protocol/serve";
import { DockerProvider } from "./provider";

serveProvider(new DockerProvider(), { name: "docker", version });
