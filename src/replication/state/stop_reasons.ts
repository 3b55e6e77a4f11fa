/** Why a node stops by itself: it has heard, or read, what it could not know when it was started. */
import { ConvergeError } from "../../errors.ts";
import type { GossipMessage } from "../../membership/gossip_message.ts";
import type { Member } from "../../membership/member.ts";

/** A member was started with other options, and this node is the one that is new, or starts now. */
export function otherOptions({ from, options }: GossipMessage): ConvergeError {
  return new ConvergeError(
    "bad_config",
    `Cannot join ${from}: its --replication, --read-quorum, --write-quorum and ` +
      `--virtual-nodes are ${Object.values(options ?? {}).join(", ")}`,
  );
}

/** A seed is of another cluster than what was heard of first. */
export function otherCluster(seed: string): ConvergeError {
  return new ConvergeError(
    "bad_config",
    `Cannot join ${seed}: it is of another cluster than others that --peers names`,
  );
}

/** A node takes no messages of this one, which is new. */
export function otherSecret(origin: string): ConvergeError {
  return new ConvergeError(
    "bad_config",
    `Cannot join ${origin}: its --cluster-secret is another`,
  );
}

/** Another node runs under this one's name. */
export function nameTaken({ name, origin }: Member): ConvergeError {
  return new ConvergeError(
    "name_taken",
    `Cannot go on as ${name}: another node of that name runs at ${origin}`,
  );
}

/** What the node was started on is an old copy of its directory. */
export function oldCopy(dataDirectory: string): ConvergeError {
  return new ConvergeError(
    "old_copy",
    `Cannot go on with ${dataDirectory}: it is an old copy, others have heard of a later life`,
  );
}

/** A table is damaged, and its keys have no other owner. */
export function onlyCopyDamaged(reason: string, dataDirectory: string): ConvergeError {
  return new ConvergeError(
    "corrupt_file",
    `${reason}, and no other node has what it held. ` +
      `Run: converge doctor --data ${dataDirectory} --salvage`,
  );
}

/**
 * The node is no member any more.
 *
 * @param asAsked Whether it left in order, so that it has nothing that others lack.
 */
export function removed(name: string, asAsked: boolean): ConvergeError {
  return new ConvergeError(
    "removed",
    `Cannot go on as ${name}: it was removed from its cluster`,
    { details: { asAsked } },
  );
}
