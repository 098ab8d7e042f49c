import { version } from "@pulumi/aws/package.json";
import { serveProvider } from "../plugin-protocol/serve";
import { AwsPreviewProvider } from "./provider";

// The engine starts a plugin in the program's folder.
serveProvider(new AwsPreviewProvider(process.cwd()), { name: "aws", version });
