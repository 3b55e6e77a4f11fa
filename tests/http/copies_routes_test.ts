import { assert, assertEquals } from "@std/assert";
import type { CopiesView } from "../../src/http/copies_routes.ts";
import { lineOf } from "../../src/record/frame.ts";
import type { StoredRecord } from "../../src/record/record.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { record } from "../support/records.ts";

const UNHEALED = { config: { antiEntropyIntervalMs: 1e9, hintBytesMax: 0 } };

Deno.test("GET /copies/{key}: what each owner holds, tombstones too, in the order of the owners; waited for a second", () =>
  InProcessCluster.run(UNHEALED, async (cluster) => {
    const value = record("k", 5);
    const tombstone = record("k", 7, { value: undefined });
    const copies = async () => {
      const view: CopiesView = await (await cluster.call(1, "GET", "/copies/k")).json();
      const owners = cluster.ownersOf("k").map((i) => `node${i}`);
      assertEquals(view.owners.map(({ name }) => name), owners);
      return view.owners.toSorted((a, b) => a.name < b.name ? -1 : 1);
    };
    const held = (version: string, { frame }: StoredRecord) => ({
      version,
      bytes: lineOf(frame).byteLength,
    });
    for (const i of [1, 2]) await cluster.plant(i, tombstone);
    assertEquals(await copies(), [
      { holds: "tombstone", ...held("7-a.1", tombstone), name: "node1" },
      { holds: "tombstone", ...held("7-a.1", tombstone), name: "node2" },
      { name: "node3", holds: "nothing" },
    ]);
    await cluster.plant(3, value);
    assertEquals((await copies())[2], { holds: "value", ...held("5-a.1", value), name: "node3" });
    cluster.pause(3);
    const startMs = cluster.world.time.nowMs;
    assertEquals((await copies())[2], { name: "node3", holds: "unreachable" });
    const tookMs = cluster.world.time.nowMs - startMs;
    assert(tookMs >= 990 && tookMs < 1_050, `${tookMs} ms`);
  }));
