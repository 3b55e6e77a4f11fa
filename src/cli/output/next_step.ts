/** What to do about a failure: a clause for the end of its one line. */
import type { ClientError } from "../../client/client_error.ts";
import type { ConvergeError } from "../../errors.ts";

/** What a path elsewhere means: the binary is built with permissions for `./data` only. */
export const ONLY_DATA = "this program may only use what is below ./data of where it is started";

/** The next step after a request that was not answered as hoped; empty where the words say it all. */
export function nextStep({ status, problem, passing }: ClientError): string {
  if (status === undefined && !passing) return ""; // nothing was sent
  if (status === undefined || problem === undefined && (status === 404 || status < 300)) {
    return "; name a node that runs with --url or CONVERGE_URL, or start some: converge cluster";
  }
  if (problem?.["indeterminate"] === true) {
    return "; it may be stored or not: put it again, or look with converge get --explain";
  }
  if (problem?.type === "urn:converge:problem:overloaded") {
    return "; try again in a moment; where that does not help, a disk may be full: see the nodes' logs";
  }
  if (status === 503) return "; see who is away with converge status, then try again";
  if (status === 413) return "; the nodes' --max-value is the limit";
  return "";
}

/** The next step after a node could not start or go on, or a file could not be used. */
export function nextStepOfNode({ code, cause, details }: ConvergeError): string {
  if (cause instanceof Deno.errors.NotCapable) return `; ${ONLY_DATA}`;
  switch (code) {
    case "data_locked":
      return "; stop the node that has it, or name another with --data";
    case "wrong_data":
      return details.format === undefined
        ? "; name the right --data or --id"
        : "; run the version of converge that wrote it";
    case "old_copy":
      return "; start it again: it is filled from the others then";
    case "removed":
      return "; to add it anew, start it with an empty directory";
    case "name_taken":
      return "; leave it stopped, or give it another --id and an empty directory";
    case "disk_full":
      return "; make room, then start it again";
    default:
      return "";
  }
}
