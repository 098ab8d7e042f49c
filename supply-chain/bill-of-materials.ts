import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { PackageURL } from "packageurl-js";
import { type Component, purl } from "./component";
import type { Inventory } from "./inventory";

/** What is said of the project in every bill. */
export interface Subject {
  name: string;
  version: string;
  licence: string;
}

/**
 * A CycloneDX bill of materials, specification 1.6, in JSON.
 *
 * The same inventory always gives the same text: it has no serial number and no time, so that two bills can be compared by
 * `diff`.
 */
export function billOfMaterials(inventory: Inventory, project: Subject): string {
  const { name, kind, source, base } = inventory;
  const bom = new Models.Bom();
  const main = new Models.Component(
    kind === "container" ? Enums.ComponentType.Container : Enums.ComponentType.Application,
    `${project.name}-${name}`,
    { bomRef: `${project.name}-${name}`, version: project.version },
  );
  main.licenses.add(new Models.SpdxLicense(project.licence));
  main.properties.add(new Models.Property("lakestack:source", source));
  bom.metadata.component = main;
  if (base !== undefined) {
    const image = baseImage(base);
    bom.components.add(image);
    main.dependencies.add(image.bomRef);
  }
  for (const component of inventory.components) {
    const entry = libraryComponent(component);
    bom.components.add(entry);
    main.dependencies.add(entry.bomRef);
  }
  const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  const serializer = new Serialize.JsonSerializer(normalizers);
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

function libraryComponent(component: Component): Models.Component {
  const url = purl(component);
  const entry = new Models.Component(Enums.ComponentType.Library, component.name, {
    bomRef: url,
    group: component.namespace,
    version: component.version,
    purl: url,
  });
  const { hash, licence } = component;
  if (hash !== undefined)
    entry.hashes.set(
      hash.algorithm === "SHA-256" ? Enums.HashAlgorithm["SHA-256"] : Enums.HashAlgorithm["SHA-512"],
      hash.content,
    );
  // As it is declared: a name is valid whether or not it is one of SPDX's.
  if (licence !== undefined) entry.licenses.add(new Models.NamedLicense(licence));
  entry.properties.add(new Models.Property("lakestack:foundIn", component.foundIn));
  return entry;
}

/** `debian:trixie-slim@sha256:…` as a container with a package URL of images. */
function baseImage(reference: string): Models.Component {
  const [, name = reference, tag, digest] =
    /^([^:@]+)(?::([^@]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(reference) ?? [];
  const version = digest ?? tag;
  const url = new PackageURL(
    "oci",
    undefined,
    name,
    digest,
    tag === undefined ? undefined : { tag },
  ).toString();
  const image = new Models.Component(Enums.ComponentType.Container, name, {
    bomRef: url,
    version,
    purl: url,
  });
  if (digest !== undefined) image.hashes.set(Enums.HashAlgorithm["SHA-256"], digest.slice("sha256:".length));
  return image;
}
