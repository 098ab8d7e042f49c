import type { Fault, Subject, Values } from "../plugin-protocol/provider";
import { ApiError, faultsOf } from "./api-error";
import { isSame } from "./comparison";
import { hasUnknowns, titleOf, withoutNotes } from "./kube-object";
import { FIELD_MANAGER, fieldManagerOf } from "./names";
import type { Objects } from "./objects";

/**
 * What the API server says is wrong with the object, by a dry run. It is not asked of what it has accepted already, of what
 * is not known yet, and of kinds that are yet to be made.
 */
export async function judge(
  subject: Subject,
  objects: Objects,
  { olds, news }: { olds: Values; news: Values },
  signal: AbortSignal,
): Promise<Fault[]> {
  if (isSame(olds, news) || hasUnknowns(news)) return [];
  const object = withoutNotes(news);
  const onWarning = (text: string) => {
    subject.warn(`${titleOf(object)}: ${text}`);
  };
  const attempt = { manager: fieldManagerOf(news), signal, onWarning };
  try {
    if (Object.keys(olds).length === 0) await objects.tryCreate(object, attempt);
    // Under another name than its own, the dry run would mix fields that are to go with those that are to come.
    else if (news[FIELD_MANAGER] !== undefined)
      await objects.apply(object, { ...attempt, force: true, dryRun: true });
    return [];
  } catch (error) {
    if (error instanceof ApiError) return faultsOf(error);
    throw error;
  }
}
