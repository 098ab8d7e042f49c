import type { TagArgs } from "@pulumi/docker";
import { ifExists, reason } from "./engine-messages";
import type { InputsOf, PropertyTable } from "./property-table";
import type { ResourceType } from "./resource-type";
import { list, text } from "./shape";

type Inputs = InputsOf<TagArgs>;

const table: PropertyTable<TagArgs, never, never> = {
  sourceImage: { shape: text(), required: true, change: "replace" },
  targetImage: { shape: text(), required: true, change: "replace" },
  tagTriggers: { shape: list(text()), change: "replace" },
};

/** Another name for an image that is in the engine. */
export const tag: ResourceType = {
  table,
  autoName: false,
  deleteBeforeReplace: false,

  async create(values, { docker }) {
    const { sourceImage, targetImage } = values as unknown as Inputs;
    const [repo = targetImage, name = "latest"] = targetImage.split(/:(?=[^/]*$)/);
    try {
      await docker.getImage(sourceImage).tag({ repo, tag: name });
    } catch (error) {
      throw new Error(`Image ${sourceImage} can't be called ${targetImage}: ${reason(error)}`, {
        cause: error,
      });
    }
    const { Id } = await docker.getImage(targetImage).inspect();
    return { id: `${sourceImage}.${targetImage}`, outputs: { ...values, sourceImageId: Id } };
  },

  async read(id, recorded, { docker }) {
    const { targetImage } = recorded as unknown as Inputs;
    const found = await ifExists(docker.getImage(targetImage).inspect());
    return found && { id, outputs: { ...recorded, sourceImageId: found.Id } };
  },

  /** As the official plugin has it, the name stays: what was pushed under it may have to be pushed again. */
  delete: () => Promise.resolve(),
};
