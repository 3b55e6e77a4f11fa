/** Members that come and go: no fault that ends. */
import { NO_UNDO, type Strikes } from "./strike.ts";

/** What an operator does to the members. */
export const MEMBER_CHANGES: Strikes<"join" | "remove"> = {
  join({ cluster }, { via }) {
    const node = cluster.nodes[cluster.members.length]!;
    if (via === undefined) cluster.tellOfMembers(node);
    void cluster.boot(node);
    return NO_UNDO;
  },

  remove({ operator, node }, fault) {
    operator.remove(node, fault);
    return NO_UNDO;
  },
};
