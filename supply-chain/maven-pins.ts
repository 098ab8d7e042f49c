/** An artifact from Maven whose version and hash stand in versions.json. */
export interface MavenPin {
  group: string;
  artifact: string;
  /** Kind of file, where it is no jar. */
  type?: string;
  classifier?: string;
  /** Key of `buildArgs` that holds the version. */
  version: string;
  /** Key of `buildArgs` that holds the SHA-256. Maven's own plugins have none. */
  hash?: string;
  /** The image that is built with it. */
  image: string;
}

export const mavenPins: readonly MavenPin[] = [
  {
    group: "org.apache.maven.plugins",
    artifact: "maven-dependency-plugin",
    version: "MAVEN_DEPENDENCY_PLUGIN_VERSION",
    image: "builder",
  },
  {
    group: "org.projectnessie.nessie",
    artifact: "nessie-quarkus",
    classifier: "runner",
    version: "NESSIE_VERSION",
    hash: "NESSIE_SHA256",
    image: "nessie",
  },
  {
    group: "org.keycloak",
    artifact: "keycloak-quarkus-dist",
    type: "zip",
    version: "KEYCLOAK_VERSION",
    hash: "KEYCLOAK_SHA256",
    image: "keycloak",
  },
  {
    group: "io.trino",
    artifact: "trino-server",
    type: "tar.gz",
    version: "TRINO_VERSION",
    hash: "TRINO_SERVER_SHA256",
    image: "trino",
  },
  {
    group: "io.trino",
    artifact: "trino-cli",
    classifier: "executable",
    version: "TRINO_VERSION",
    hash: "TRINO_CLI_SHA256",
    image: "checks",
  },
  {
    group: "io.trino",
    artifact: "trino-jdbc",
    version: "TRINO_VERSION",
    hash: "TRINO_JDBC_SHA256",
    image: "checks",
  },
];

/** Coordinates as Maven's dependency plugin takes them: `group:artifact:version:type:classifier`. */
export function coordinates(pin: MavenPin, version: string): string {
  const { group, artifact, classifier } = pin;
  const type = pin.type ?? (classifier === undefined ? undefined : "jar");
  return [group, artifact, version, type, classifier].filter((part) => part !== undefined).join(":");
}
