import { assert, assertEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { record } from "../support/records.ts";

async function metrics(cluster: InProcessCluster, node: number): Promise<Map<string, number>> {
  const text = await (await cluster.call(node, "GET", "/metrics")).text();
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^(\S+) (\S+)$/.exec(line);
    if (match !== null && !line.startsWith("#")) values.set(match[1]!, Number(match[2]));
  }
  return values;
}

Deno.test("GET /metrics: requests by route and outcome, quorums, repairs and members", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    await cluster.get(1, "k");
    await cluster.get(1, "none");
    await cluster.call(1, "GET", "/kv/k?r=9");
    const values = await metrics(cluster, 1);
    const requests = (method: string, outcome: string) =>
      values.get(
        `converge_http_request_duration_seconds_count{method="${method}",route="/kv/{key}",outcome="${outcome}"}`,
      );
    assertEquals(requests("PUT", "ok"), 1);
    assertEquals(requests("GET", "ok"), 1);
    assertEquals(requests("GET", "not_found"), 1);
    assertEquals(requests("GET", "client_error"), 1);
    const quorum = (operation: string, outcome: string) =>
      values.get(`converge_quorum_requests_total{operation="${operation}",outcome="${outcome}"}`);
    assertEquals(quorum("write", "reached"), 1);
    assertEquals(quorum("read", "reached"), 2);
    assertEquals(quorum("read", "failed"), 0);
    assertEquals(values.get('converge_member_up{member="node3"}'), 1);
    assertEquals(values.get("converge_ready"), 1);
    assertEquals(values.get('converge_hints_waiting{peer="node3"}'), 0, "there to be drawn");
  });
});

Deno.test("GET /metrics: a member that is being removed is told of as long as it is waited for", async () => {
  await InProcessCluster.run({ nodes: 4 }, async (cluster) => {
    const body = JSON.stringify({ name: "node4" });
    assertEquals((await cluster.call(1, "POST", "/cluster/removals", { body })).status, 202);
    assertEquals((await metrics(cluster, 1)).get('converge_member_up{member="node4"}'), 1);
    await cluster.until("it is removed", async () => {
      return !(await metrics(cluster, 1)).has('converge_member_up{member="node4"}');
    });
  });
});

Deno.test("GET /metrics: a round of anti-entropy is counted under one outcome", async () => {
  await InProcessCluster.run({ config: { antiEntropyIntervalMs: 20 } }, async (cluster) => {
    const rounds = async (outcome: string) =>
      (await metrics(cluster, 1)).get(`converge_anti_entropy_rounds_total{outcome="${outcome}"}`)!;
    await cluster.until("one found nothing", async () => await rounds("equal") > 0);
    cluster.kill(2);
    await cluster.until("one failed", async () => await rounds("failed") > 0);
    assertEquals(await rounds("done"), 0, "none had anything to do");
  });
});

Deno.test("GET /metrics: copies that a read had to repair are counted", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "old");
    assertEquals(await cluster.get(1, "k"), "old");
    assertEquals((await metrics(cluster, 1)).get("converge_read_repairs_total"), 0);
    await cluster.plant(1, record("k", 500, { nodeID: "x.1", value: "new" }));
    assertEquals(await cluster.get(1, "k"), "new");
    assertEquals((await metrics(cluster, 1)).get("converge_read_repairs_total"), 1);
  });
});

Deno.test("GET /metrics: what goes wrong shows: failed quorums, hints, peers that are down", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    cluster.kill(3);
    await cluster.put(1, "k", "v");
    await cluster.wait(3_000);
    const one = await metrics(cluster, 1);
    assertEquals(one.get('converge_hints_waiting{peer="node3"}'), 1);
    cluster.kill(2);
    assertEquals((await cluster.call(1, "PUT", "/kv/k", { body: "v" })).status, 503);
    await cluster.wait(30_000);
    const two = await metrics(cluster, 1);
    assertEquals(two.get('converge_quorum_requests_total{operation="write",outcome="failed"}'), 1);
    assertEquals(two.get('converge_member_up{member="node2"}'), 0);
    assertEquals(two.get("converge_ready"), 1, "a node is ready however its peers are");
  });
});

Deno.test("GET /metrics: a request under way has reached no quorum yet: counters never fall", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const reached = async (operation: string) =>
      (await metrics(cluster, 1)).get(
        `converge_quorum_requests_total{operation="${operation}",outcome="reached"}`,
      )!;
    await cluster.put(1, "k", "v");
    assertEquals(await cluster.get(1, "k"), "v");
    const before = [await reached("read"), await reached("write")];
    for (const other of [2, 3]) cluster.cutOff(other);
    const failing = [
      cluster.call(1, "GET", "/kv/k"),
      cluster.call(1, "PUT", "/kv/k", { body: "v" }),
    ];
    await cluster.wait(100);
    assertEquals([await reached("read"), await reached("write")], before);
    for (const answer of await Promise.all(failing)) assertEquals(answer.status, 503);
    assertEquals([await reached("read"), await reached("write")], before);
  });
});

Deno.test("GET /metrics: a histogram's buckets grow up to its count", async () => {
  await InProcessCluster.run({ nodes: 1 }, async (cluster) => {
    for (let i = 0; i < 20; i++) await cluster.put(1, `k${i}`, "v");
    const values = await metrics(cluster, 1);
    const labels = 'method="PUT",route="/kv/{key}",outcome="ok"';
    const name = "converge_http_request_duration_seconds";
    const buckets = [...values].filter(([key]) => key.startsWith(`${name}_bucket{${labels}`));
    assert(buckets.length > 20);
    assertEquals(
      buckets.map(([, value]) => value),
      buckets.map(([, v]) => v).sort((a, b) => a - b),
    );
    assertEquals(buckets.at(-1), [`${name}_bucket{${labels},le="+Inf"}`, 20]);
    assertEquals(values.get(`${name}_count{${labels}}`), 20);
  });
});

Deno.test("GET /metrics: bytes to and from a peer are those of the bodies, both ways", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const bytes = async (node: number, direction: string) =>
      [...await metrics(cluster, node)]
        .filter(([key]) => key.startsWith("converge_peer_bytes_total") && key.includes(direction))
        .reduce((sum, [, value]) => sum + value, 0);
    const sentBefore = await bytes(1, "sent");
    const receivedBefore = await bytes(1, "received");
    await cluster.put(1, "k", "x".repeat(1_000));
    const sent = await bytes(1, "sent") - sentBefore;
    const received = await bytes(1, "received") - receivedBefore;
    assert(sent > 2 * 1_000 && sent < 3 * 1_000, `sent ${sent} bytes to two owners`);
    assert(received > 0 && received < 1_000, `received ${received} bytes from two owners`);
  });
});
