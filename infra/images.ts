import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import {
  buildArguments,
  imageBuilds,
  imageReference,
  isForDocker,
  prepareBuilderContext,
  withNeeds,
} from "./image-builds";

export { type ImageBuild, imageBuilds } from "./image-builds";

export interface ImagesArgs {
  /** Name of the stack: part of every image's name. */
  stack: string;
  /** Image under all others. Default: `LAKESTACK_BASE_IMAGE`, which is set where no registry answers, else the pinned Debian. */
  baseImage?: string;
  /** Images to build, for example `["trino"]`; what they need is built, too. Default: those of a stack in Docker. */
  only?: string[];
}

/** Builds the images that a stack runs. A reference names the content, so what did not change is not built again. */
export class Images extends pulumi.ComponentResource {
  private readonly images = new Map<string, docker.RemoteImage>();

  constructor(name: string, args: ImagesArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:infra:Images", name, {}, options);
    const { stack, baseImage } = args;
    const host = prepareBuilderContext();
    const builds = imageBuilds({ baseImage });
    const wanted = args.only ?? builds.map((build) => build.name).filter(isForDocker);

    for (const build of withNeeds(wanted, builds)) {
      const isBuilder = build.name === "builder";
      const image = new docker.RemoteImage(
        build.name,
        {
          name: imageReference(stack, build),
          build: {
            context: build.context,
            buildArgs: {
              ...buildArguments(stack, build, builds),
              ...(isBuilder ? secrets(host.mirrors) : {}),
            },
          },
          // The builder is made anew when the host's certificates or mirrors change, under the same name: nothing that was
          // built with it is touched.
          triggers: { content: build.tag, ...(isBuilder ? { host: host.digest } : {}) },
          keepLocally: false,
        },
        {
          parent: this,
          dependsOn: build.needs.map((need) => this.image(need)),
          deleteBeforeReplace: isBuilder,
        },
      );
      this.images.set(build.name, image);
    }
    this.registerOutputs();
  }

  /** The image's ID. Known once the image is there, so that whatever uses it waits for it. */
  ref(name: string): pulumi.Output<string> {
    return this.image(name).imageId;
  }

  private image(name: string): docker.RemoteImage {
    const image = this.images.get(name);
    if (image === undefined) {
      throw new Error(
        `Image ${name} is not built in this stack; there are ${[...this.images.keys()].join(", ")}`,
      );
    }
    return image;
  }
}

function secrets(values: Record<string, string>): Record<string, pulumi.Output<string>> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, pulumi.secret(value)]));
}
