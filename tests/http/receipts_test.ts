/** What `?explain=1` and a 503 tell: every owner's outcome, and nothing that is not so. */
import { assert, assertEquals } from "@std/assert";
import type { OwnerReceipt, Receipt } from "../../src/replication/requests/receipt.ts";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { record } from "../support/records.ts";

const UNHEALED = { config: { antiEntropyIntervalMs: 1e9, hintBytesMax: 0 } };

async function receipt(
  cluster: InProcessCluster,
  method: string,
  path: string,
): Promise<Receipt & { status?: number; of(name: string): OwnerReceipt }> {
  const body = method === "PUT" ? { body: "v" } : {};
  const json = await (await cluster.call(1, method, path, body)).json();
  const of = (name: string) => json.owners.find((owner: OwnerReceipt) => owner.name === name);
  return { ...json, of };
}

Deno.test("receipt: a write tells of every owner that it has it, under which version, past fsync", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const method of ["PUT", "DELETE"]) {
      const { owners, version, strict, operation } = await receipt(
        cluster,
        method,
        "/kv/k?explain=1",
      );
      assertEquals(operation, method.toLowerCase());
      assertEquals(owners.map(({ outcome }) => outcome), ["stored", "stored", "stored"]);
      for (const owner of owners) {
        assertEquals([owner.version, owner.fsynced, owner.countsForQuorum], [version, true, true]);
        assert(owner.ms! >= 0);
      }
      assert(strict);
    }
  }));

Deno.test("receipt: a write says that it is past fsync only where it is", () =>
  InProcessCluster.run({ config: { durability: { mode: "os" } } }, async (cluster) => {
    const { owners } = await receipt(cluster, "PUT", "/kv/k?explain=1");
    assertEquals(owners.map(({ fsynced }) => fsynced), [false, false, false]);
  }));

Deno.test("receipt: times are told to the microsecond", () =>
  InProcessCluster.run({}, async (cluster) => {
    for (const method of ["PUT", "GET"]) {
      cluster.slow(1, 1 / 3);
      const { ms, owners } = await receipt(cluster, method, "/kv/k?explain=1");
      const told = [ms, ...owners.map((owner) => owner.ms!)];
      assert(told.some((one) => one > 0 && !Number.isInteger(one)), String(told));
      assertEquals(told, told.map((one) => Number(one.toFixed(3))));
    }
  }));

Deno.test("receipt: a read tells of every owner what it has, and where it found it", () =>
  InProcessCluster.run(UNHEALED, async (cluster) => {
    await receipt(cluster, "PUT", "/kv/k?explain=1&w=3");
    await cluster.plant(2, record("k", 500, { nodeID: "x.1", value: "newer" }));
    const { owners, of, why } = await receipt(cluster, "GET", "/kv/k?explain=1");
    assertEquals(owners.map(({ outcome, from }) => `${outcome} ${from}`), [
      "found memtable",
      "found memtable",
      "found memtable",
    ]);
    assertEquals(of("node2").version, "500-x.1");
    assertEquals([of("node1").repaired, of("node2").repaired], [true, undefined]);
    assertEquals(why, "node2 has the newest version among the owners that answered");
    const absent = await receipt(cluster, "GET", "/kv/none?explain=1");
    assertEquals(absent.owners.map(({ outcome }) => outcome), ["absent", "absent", "absent"]);
  }));

Deno.test("receipt: a read of what was deleted, or has expired, says so", () =>
  InProcessCluster.run(UNHEALED, async (cluster) => {
    await receipt(cluster, "PUT", "/kv/k?explain=1&w=3");
    await cluster.plant(2, record("k", 500, { nodeID: "x.1", value: undefined }));
    const deleted = await receipt(cluster, "GET", "/kv/k?explain=1");
    assertEquals(
      ["node1", "node2", "node3"].map((name) => deleted.of(name).outcome),
      ["found", "deleted", "found"],
    );
    assertEquals(
      deleted.why,
      "node2 has the newest version among the owners that answered: the key was deleted",
    );
    await receipt(cluster, "PUT", "/kv/short?explain=1&w=3&ttl=1");
    await cluster.wait(1_500);
    const expired = await receipt(cluster, "GET", "/kv/short?explain=1");
    assertEquals(expired.owners.map(({ outcome }) => outcome), ["found", "found", "found"]);
    assert(expired.why.endsWith(": the value has expired"), expired.why);
  }));

Deno.test("receipt: an owner that does not answer is a timeout, and has a hint; nobody waits for ever", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.pause(3);
    const startMs = cluster.world.time.nowMs;
    const { of, result } = await receipt(cluster, "PUT", "/kv/k?explain=1");
    assertEquals([result, of("node1").outcome, of("node2").outcome], [
      "stored",
      "stored",
      "stored",
    ]);
    assertEquals([of("node3").outcome, of("node3").hinted], ["timeout", true]);
    assert(cluster.world.time.nowMs - startMs <= 2_000);
    const read = await receipt(cluster, "GET", "/kv/k?explain=1");
    assertEquals([read.result, read.of("node3").outcome], ["answered", "refused"], "gone around");
    cluster.kill(3);
    await cluster.wait(10_000);
    const refused = (await receipt(cluster, "PUT", "/kv/k?explain=1")).of("node3");
    assertEquals([refused.outcome, refused.hinted], ["refused", true]);
  }));

Deno.test("receipt: a request that asks for no receipt waits for nobody beyond its quorum", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.pause(3);
    const startMs = cluster.world.time.nowMs;
    await cluster.put(1, "k", "v");
    assert(cluster.world.time.nowMs - startMs < 100);
  }));

Deno.test("receipt: an owner with something newer is told as superseded, with its version", () =>
  InProcessCluster.run(UNHEALED, async (cluster) => {
    await cluster.plant(3, record("k", 500, { nodeID: "x.1", value: "newer" }));
    const { of, attempts } = await receipt(cluster, "PUT", "/kv/k?explain=1");
    assertEquals([of("node3").outcome, of("node3").version, attempts], [
      "superseded",
      "500-x.1",
      1,
    ]);
  }));

Deno.test("receipt: a 503 says where the value may be, and nowhere when that is certain", () =>
  InProcessCluster.run(UNHEALED, async (cluster) => {
    cluster.kill(2);
    cluster.pause(3);
    for (const path of ["/kv/k", "/kv/k?explain=1"]) {
      const { status, indeterminate, mayBeOn } = await receipt(cluster, "PUT", path);
      assertEquals([status, indeterminate], [503, true]);
      assert(mayBeOn!.includes("node1") && !mayBeOn!.includes("node2"), `${mayBeOn}`);
      await cluster.wait(10_000);
    }
    const { of, mayBeOn } = await receipt(cluster, "PUT", "/kv/k?explain=1");
    assertEquals([of("node3").outcome, mayBeOn!.toSorted()], ["timeout", ["node1", "node3"]]);
  }));

Deno.test("receipt: a read tells of every owner that it repaired", () =>
  InProcessCluster.run(UNHEALED, async (cluster) => {
    await cluster.plant(1, record("k", 500, { nodeID: "x.1" }));
    const { of } = await receipt(cluster, "GET", "/kv/k?explain=1&r=3");
    assertEquals([of("node2").repaired, of("node3").repaired], [true, true]);
  }));
