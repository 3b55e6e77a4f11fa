/** Disks that are lost or replaced, and old ones that are found again. */
import { booting, NO_UNDO, type NodeScene, type Strikes, type Undo } from "./strike.ts";

/** What a node finds on its disk is not what it wrote last. */
export const LOST_DISKS: Strikes<"wipe" | "replace_disk" | "old_copy" | "lost_disk"> = {
  wipe({ cluster, node }) {
    cluster.kill(node);
    cluster.wipe(node);
    return booting(cluster, node);
  },

  replace_disk({ operator, node }, fault) {
    operator.replaceDisk(node, fault);
    return NO_UNDO;
  },

  old_copy(scene) {
    const { cluster, node } = scene;
    cluster.kill(node, { power: false });
    const putBack = keepDisk(scene);
    void cluster.boot(node);
    return putBack;
  },

  lost_disk(scene) {
    const { cluster, node } = scene;
    cluster.kill(node, { power: false });
    const putBack = keepDisk(scene);
    cluster.wipe(node);
    void cluster.boot(node);
    return putBack;
  },
};

/**
 * Copies a disk; the answer puts it back. Not where nobody can be asked: such a node counts with what
 * it has, which is not judged.
 */
function keepDisk({ cluster, node }: NodeScene): Undo {
  const copy = node.disk.copy();
  const { comebacks } = node;
  return () => {
    const others = cluster.members.filter((other) => other !== node);
    const isForeign = node.leaving !== undefined || node.comebacks !== comebacks;
    if (!isForeign && others.every(({ isUp }) => isUp)) {
      cluster.kill(node);
      cluster.restore(node, copy);
    }
    void cluster.boot(node);
  };
}
