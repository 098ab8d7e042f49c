import { describe } from "vitest";
import { secretRules } from "../../policy/secret-rules";
import { configMap, container, deployment, digest, drawn, testExamples } from "./policy-examples";
import type { Example } from "./policy-examples";

const secret: Example[] = [
  [
    "no-plain-secret",
    container(),
    container({ envs: ["TRINO_PASSWORD=letmein"] }),
    "envs.TRINO_PASSWORD looks like a secret, by its name",
  ],
  [
    "no-plain-secret",
    container({ envs: ["X_SECRET_KEY_CMD=cat /run/secrets/x"] }),
    container({ envs: ["X_SECRET_KEY_CMD=echo letmein"] }),
    "envs.X_SECRET_KEY_CMD",
  ],
  [
    "no-plain-secret",
    container({ envs: ["PASSWORDS=/etc/serve/passwords", "AUTHENTICATOR=password"] }),
    container({ envs: ["dbPassword=letmein"] }),
    "envs.dbPassword",
  ],
  [
    "no-plain-secret",
    container({ envs: ["X=1"] }),
    container({ envs: [`X=${drawn}`] }),
    "envs.X looks like a generated secret",
  ],
  [
    "no-plain-secret",
    container({ envs: ["X=postgresql://database:5432/x"] }),
    container({ envs: ["X=postgresql://a:letmein@database/x"] }),
    "a URL with a password",
  ],
  [
    "no-plain-secret",
    container({ envs: [`X=${digest}`] }),
    container({ envs: ["AWS=AKIAIOSFODNN7EXAMPLE"] }),
    "an AWS access key",
  ],
  [
    "no-plain-secret",
    container({ command: ["--password-stdin", "--user", "ann"] }),
    container({ command: ["--password", "letmein"] }),
    "command.0 (password)",
  ],
  [
    "no-plain-secret",
    container({ command: ["-Dpassword.file=/run/secrets/x"] }),
    container({ command: ["-Dspark.authenticate.secret=letmein"] }),
    "spark.authenticate.secret",
  ],
  [
    "no-plain-secret",
    container({ entrypoints: ["sh", "-c", 'TOKEN="$(cat /run/secrets/token)" exec x'] }),
    container({ entrypoints: ["sh", "-c", "TOKEN=letmein exec x"] }),
    "entrypoints.2 (TOKEN)",
  ],
  [
    "no-plain-secret",
    container({ healthcheck: { tests: ["CMD", "curl", "http://127.0.0.1"] } }),
    container({ healthcheck: { tests: ["CMD", "curl", "http://a:letmein@127.0.0.1"] } }),
    "healthcheck.tests.2",
  ],
  [
    "no-plain-secret",
    container(),
    container({ labels: [{ label: "token", value: "letmein" }] }),
    "labels.token",
  ],
  [
    "no-plain-secret",
    deployment(),
    deployment({ env: [{ name: "PASSWORD", value: "letmein" }] }),
    "containers.serve.env.PASSWORD",
  ],
  ["no-plain-secret", deployment(), deployment({ args: ["--api-key=letmein"] }), "args.0 (api-key)"],
  [
    "no-plain-secret",
    deployment(),
    deployment({ livenessProbe: { exec: { command: ["curl", "--token", "letmein"] } } }),
    "livenessProbe.exec.command",
  ],
  [
    "no-plain-secret",
    configMap("a.properties", "password-authenticator.name=file\nmax.tokens=5"),
    configMap("a.properties", "x=1\ndb.password = letmein"),
    "data.a.properties, line 2 (db.password)",
  ],
  [
    "no-plain-secret",
    configMap("a.json", '{"password": "/run/secrets/x"}'),
    configMap("a.json", '{"a": {"login": "x", "password": "letmein"}}'),
    "data.a.json, line 1 (password)",
  ],
  [
    "no-plain-secret",
    configMap("a.yaml", "password: ${ENV:PASSWORD}"),
    configMap("a.yaml", "password: letmein"),
    "data.a.yaml, line 1",
  ],
  [
    "no-plain-secret",
    configMap("a.py", "password = read(file)"),
    configMap("a.py", 'password = "letmein"'),
    "data.a.py, line 1",
  ],
  [
    "no-plain-secret",
    configMap("a.pem", `-----BEGIN CERTIFICATE-----\nMIIB${drawn}${drawn}\n-----END CERTIFICATE-----\n`),
    configMap("a.pem", "-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n"),
    "a private key",
  ],
];

describe("the policy pack, of what looks like a secret,", () => {
  testExamples(secretRules, secret);
});
