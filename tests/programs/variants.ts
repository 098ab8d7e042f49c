/** Names and addresses that Trino's certificate of the programs' tests is for. */
export const hosts = [
  ...["localhost", "127.0.0.1", "trino", "lakestack-test-trino"],
  ...["trino.lakestack", "trino.lakestack.svc", "trino.lakestack.svc.cluster.local"],
];

/**
 * Every way that a setting opens to others is taken.
 *
 * @param pem an authority's file.
 */
export const doors = (pem: string) => ({
  ...{ airflowDoor: "ingress", airflowHost: "airflow.example.org", certificateIssuer: "public" },
  ...{ trinoDoor: "load-balancer", trinoIssuer: "private", trinoAuthorityFile: pem },
  ...{ objectStoreConsole: "true", publishCatalog: "true" },
});

/** Doors of Airflow and of the object store that gateways stand at. cert-manager makes their certificates. */
export const gatewayDoors = {
  ...{ airflowDoor: "load-balancer", airflowHost: "airflow.example.org", certificateIssuer: "public" },
  ...{ objectStoreDoor: "load-balancer", objectStoreHost: "s3.example.org" },
};

/**
 * The object store and the database are somebody else's.
 *
 * @param pem an authority's file.
 */
export const others = (pem: string) => ({
  ...{ objectStoreEndpoint: "https://s3.example.org", databaseAddress: "database.example.org:5433" },
  ...{ databaseAuthoritiesFile: pem, trinoWorkers: "1", publishCatalog: "true" },
});

/** People come by an issuer. */
export const identities = {
  ...{
    oidcIssuer: "https://id.example.org:8444/realms/lake",
    oidcClientId: "lake",
    oidcClientSecret: "the-clients-own",
  },
  oidcGroups: '{"data team": "analyst", "lake-admins": "admin"}',
};
