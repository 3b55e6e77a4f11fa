/** Nodes are started on disks that have no room left. */
import { assert, assertEquals } from "@std/assert";
import type { NodeParts } from "../../src/node/node_parts.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { VirtualDisk } from "../../src/simulation/virtual/virtual_disk.ts";
import { LsmStore } from "../../src/storage/lsm_store.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";

/** The disks of all nodes, by their data directories. */
class Disks {
  readonly #devices = new Map<string, VirtualDisk>();

  readonly parts: Partial<NodeParts> = {
    openStore: (how) => LsmStore.open({ ...how, disk: this.#of(how.directory).mount() }),
  };

  /** All processes die, and all disks fill up. */
  fillUp(): void {
    for (const device of this.#devices.values()) {
      device.crash({ power: false });
      device.faults.capacityBytes = device.files().reduce(
        (sum, { sizeBytes }) => sum + sizeBytes,
        0,
      );
    }
  }

  makeRoom(): void {
    for (const device of this.#devices.values()) device.faults.capacityBytes = Infinity;
  }

  #of(directory: string): VirtualDisk {
    let device = this.#devices.get(directory);
    if (device === undefined) {
      device = new VirtualDisk({ random: new SeededRandom(1, directory) });
      this.#devices.set(directory, device);
    }
    return device;
  }
}

function counterOf(etag: string): number {
  return parseInt(etag.slice(1));
}

for (const nodes of [1, 3]) {
  Deno.test(`full disks: ${nodes} of ${nodes} started on them are read from, refuse writes, and take them with room`, () => {
    const disks = new Disks();
    return InProcessCluster.run({ nodes, parts: disks.parts }, async (cluster) => {
      const all = cluster.nodes.map((_, index) => index + 1);
      const first = counterOf(await cluster.put(1, "k", "v"));
      for (let start = 2; start <= 4; start++) {
        for (const i of all) cluster.kill(i);
        disks.fillUp();
        for (const i of all) await cluster.start(i);
        await cluster.ready();
        for (const i of all) assertEquals(await cluster.get(i, "k"), "v");
        const body = "x".repeat(20_000);
        assertEquals((await cluster.call(1, "PUT", "/kv/other", { body })).status, 503);
        const { members } = await cluster.view(1);
        assertEquals(members.map(({ starts }) => starts), all.map(() => start));
      }
      disks.makeRoom();
      const second = counterOf(await cluster.put(1, "k", "w"));
      // Each start has reserved counters of its own, and gives out none of those before.
      assert(second >= first + 3_000_000, `${second} after ${first}`);
      assertEquals(await cluster.get(nodes, "k"), "w");
    });
  });
}
