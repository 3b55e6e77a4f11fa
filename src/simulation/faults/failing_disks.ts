/** Faults of disks that nodes go on with: they are slow, full, refuse, or give back something else. */
import { randomInteger } from "../../platform/random.ts";
import { noDiskFaults } from "../virtual/disk_faults.ts";
import { booting, type Strikes } from "./strike.ts";

/** Chance that an operation fails on a disk that lets it fail. */
const ERROR_RATE = 0.3;

/** A node may stop itself over them: it is started when the fault is over. */
export const FAILING_DISKS: Strikes<"slow_disk" | "full_disk" | "disk_error" | "bit_rot"> = {
  slow_disk({ node }, { syncMs }) {
    node.disk.faults.syncMs = syncMs;
    node.pageCache.syncsTake(syncMs[1]);
    return () => node.disk.faults.syncMs = noDiskFaults().syncMs;
  },

  full_disk({ cluster, node }, { freeBytes }) {
    const boot = booting(cluster, node);
    node.disk.faults.capacityBytes = freeBytes +
      node.disk.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return () => {
      node.disk.faults.capacityBytes = Infinity;
      boot();
    };
  },

  disk_error({ cluster, node }, { operation }) {
    const boot = booting(cluster, node);
    node.disk.faults.errorRate[operation] = ERROR_RATE;
    return () => {
      node.disk.faults.errorRate = {};
      boot();
    };
  },

  /** Only tables rot: a flipped bit in the log's last record cannot be told from a torn tail. */
  bit_rot({ world, cluster, node }, { bits }) {
    const random = world.streams.stream("rot");
    const tables = node.disk.files().filter(({ path, sizeBytes }) =>
      path.endsWith(".sst") && sizeBytes > 0
    );
    for (let i = 0; i < bits && tables.length > 0; i++) {
      const { path, sizeBytes } = tables[randomInteger(random, tables.length)]!;
      const offset = randomInteger(random, sizeBytes);
      node.disk.flipBit(path, offset);
      world.note("rot", { node: node.name, path, offset });
    }
    if (tables.length > 0) node.damaged = true;
    return booting(cluster, node);
  },
};
