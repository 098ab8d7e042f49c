import * as ecr from "@pulumi/aws/ecr";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { ImageBuild } from "../image-builds";
import { imageReference } from "../image-builds";
import type { Account } from "./account";

export interface RegistryArgs {
  account: Account;
  /** Name of the stack, which the local images' names begin with. */
  stack: string;
  /** Images to keep there, built on this machine. */
  builds: ImageBuild[];
  /** IDs of the local images, which are there when the IDs are known. */
  localImage: (name: string) => pulumi.Output<string>;
  keyArn: pulumi.Input<string>;
  ephemeral: boolean;
}

/** Images kept of each repository: enough to go back some releases. */
const keptImages = 20;

/** The account's registry: a repository an image, pushed once under the tag of its content, run by digest. */
export class Registry extends pulumi.ComponentResource {
  private readonly references = new Map<string, pulumi.Output<string>>();

  constructor(name: string, args: RegistryArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Registry", name, {}, options);
    const login = this.login(args);
    for (const build of args.builds) {
      const repository = this.repository(build.name, args);
      this.references.set(build.name, this.push(build, repository, login, args));
    }
    this.registerOutputs({});
  }

  /** The image's reference by digest. Known once the image is in the registry. */
  ref(name: string): pulumi.Output<string> {
    const reference = this.references.get(name);
    if (reference === undefined) {
      throw new Error(
        `Image ${name} is not in the registry; there are ${[...this.references.keys()].join(", ")}`,
      );
    }
    return reference;
  }

  /** Docker's access to the registry. The token is good for twelve hours, so it is the provider's, and no image changes with it. */
  private login({ account }: RegistryArgs): docker.Provider {
    const token = ecr.getAuthorizationTokenOutput({}, { parent: this });
    const address = token.proxyEndpoint.apply((endpoint) => endpoint.replace(/^https:\/\//, ""));
    return new docker.Provider(
      `${account.prefix}-registry`,
      { registryAuth: [{ address, username: token.userName, password: pulumi.secret(token.password) }] },
      { parent: this },
    );
  }

  private repository(name: string, { account, keyArn, ephemeral }: RegistryArgs): ecr.Repository {
    const repository = new ecr.Repository(
      name,
      {
        name: `${account.prefix}/${name}`,
        imageTagMutability: "IMMUTABLE",
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [{ encryptionType: "KMS", kmsKey: keyArn }],
        forceDelete: ephemeral,
      },
      { parent: this },
    );
    new ecr.LifecyclePolicy(
      name,
      {
        repository: repository.name,
        policy: JSON.stringify({
          rules: [
            {
              rulePriority: 1,
              description: `Keep the last ${keptImages} images`,
              selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: keptImages },
              action: { type: "expire" },
            },
          ],
        }),
      },
      { parent: repository },
    );
    return repository;
  }

  private push(
    build: ImageBuild,
    repository: ecr.Repository,
    login: docker.Provider,
    args: RegistryArgs,
  ): pulumi.Output<string> {
    const target = pulumi.interpolate`${repository.repositoryUrl}:${build.tag}`;
    const tag = new docker.Tag(
      build.name,
      {
        // By name, which says what is in it; the ID only makes it wait until the image is built.
        sourceImage: args.localImage(build.name).apply(() => imageReference(args.stack, build)),
        targetImage: target,
      },
      { parent: repository },
    );
    const image = new docker.RegistryImage(
      build.name,
      // The repository's lifecycle removes what is old: an image that was just replaced may still be running.
      { name: target, triggers: { content: build.tag }, keepRemotely: true },
      { parent: repository, provider: login, dependsOn: [tag] },
    );
    return pulumi.interpolate`${repository.repositoryUrl}@${image.sha256Digest}`;
  }
}
