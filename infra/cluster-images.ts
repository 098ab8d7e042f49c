import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { imageBuilds, imageReference, testImages } from "./image-builds";
import { Images } from "./images";

/** Finds the reference by which a cluster's nodes get an image, by the name of its folder. */
export type ImageResolver = (name: string) => pulumi.Input<string>;

/** The images are on the nodes already, under the names that they have on this machine. Their tags name the content. */
export function preloadedImages(stack: string): ImageResolver {
  const builds = imageBuilds();
  return (name) => {
    const build = builds.find((each) => each.name === name);
    if (build === undefined)
      throw new Error(`No image ${name}: images/ has ${builds.map((b) => b.name).join(", ")}`);
    return imageReference(stack, build);
  };
}

export interface RegistryArgs {
  stack: string;
  /** Where images go, without a slash at the end: "registry.example.com/lakestack". */
  registry: string;
  /** How this machine pushes. Default: as docker does, by its own configuration. */
  provider?: docker.Provider;
}

/** Builds the images on this machine, pushes them, and names them by digest: nobody can put others in their place. */
export function pushedImages(args: RegistryArgs, options: pulumi.CustomResourceOptions = {}): ImageResolver {
  const builds = imageBuilds();
  const only = builds.map(({ name }) => name).filter((name) => !testImages.has(name));
  const images = new Images("images", { stack: args.stack, only });
  const pushed = new Map<string, pulumi.Output<string>>();
  return (name) => {
    const known = pushed.get(name);
    if (known !== undefined) return known;
    const repository = `${args.registry}/${name}`;
    const target = `${repository}:${builds.find((build) => build.name === name)?.tag ?? "latest"}`;
    const from = { ...options, provider: args.provider };
    const tag = new docker.Tag(
      `${name}-pushed`,
      { sourceImage: images.ref(name), targetImage: target },
      from,
    );
    const image = new docker.RegistryImage(
      `${name}-pushed`,
      // What runs elsewhere may still need it.
      { name: tag.targetImage, keepRemotely: true, triggers: { image: tag.sourceImageId } },
      from,
    );
    const reference = image.sha256Digest.apply((digest) => `${repository}@${digest}`);
    pushed.set(name, reference);
    return reference;
  };
}
