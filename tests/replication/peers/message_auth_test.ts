import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import { MessageAuth, SIGNATURE_HEADER } from "../../../src/replication/peers/message_auth.ts";
import { InProcessCluster } from "../../support/in_process_cluster.ts";

const BODY = new TextEncoder().encode("body");

Deno.test("MessageAuth: a proof holds for its own message only", () => {
  const auth = new MessageAuth("secret");
  const headers = auth.signed("POST", "/internal/kv", { "converge-from": "node1" }, BODY);
  const proof = headers[SIGNATURE_HEADER]!;
  const message = {
    method: "POST",
    path: "/internal/kv",
    headers: Object.entries({ ...headers, accept: "*/*" }),
    body: BODY,
  };
  auth.check(message, proof);
  for (
    const forged of [
      { ...message, method: "PUT" },
      { ...message, path: "/internal/collect" },
      { ...message, body: new TextEncoder().encode("other") },
      { ...message, headers: [["converge-from", "node2"]] as const },
      { ...message, headers: [...message.headers, ["converge-fence", "9"]] as const },
    ]
  ) {
    assertThrows(() => auth.check(forged, proof), ConvergeError, "proof");
  }
  assertThrows(() => auth.check(message, null), ConvergeError);
  assertThrows(() => auth.check(message, ""), ConvergeError);
  assertThrows(() => auth.check(message, proof + "0"), ConvergeError);
  for (let i = 0; i < proof.length; i++) {
    const other = proof[i] === "0" ? "1" : "0";
    const forged = proof.slice(0, i) + other + proof.slice(i + 1);
    assertThrows(() => auth.check(message, forged), ConvergeError, "proof", `digit ${i}`);
  }
  assertThrows(() => new MessageAuth("another").check(message, proof), ConvergeError);
});

Deno.test("MessageAuth: without a secret nothing is signed, and whoever speaks is believed", () => {
  const auth = new MessageAuth("");
  const headers = { "converge-from": "node1" };
  assertEquals(auth.signed("POST", "/internal/kv", headers, BODY), headers);
  auth.check({ method: "POST", path: "/internal/kv", headers: [], body: BODY }, null);
});

Deno.test("internal requests: with a secret the cluster works, and forged ones change nothing", () =>
  InProcessCluster.run({ config: { clusterSecret: "s3cret" } }, async (cluster) => {
    await cluster.put(1, "k", "v");
    assertEquals(await cluster.get(2, "k"), "v");
    const before = await cluster.view(1);
    const member = { ...before.members[1]!, incarnation: 99, origin: "http://evil:1" };
    const gossip = JSON.stringify({ from: "node2", members: [member] });
    for (const path of ["gossip", "kv", "read", "tree", "range", "list", "collect"]) {
      const response = await cluster.call(1, "POST", `/internal/${path}`, {
        body: path === "gossip" ? gossip : "",
        headers: { "converge-counter": "4000000000000000", "converge-from": "node2" },
      });
      assertEquals(response.status, 401, path);
    }
    const after = await cluster.view(1);
    assertEquals(after.members[1]!.origin, before.members[1]!.origin);
    assertEquals(after.counter < 1_000, true);
  }));

Deno.test("another secret: a new node does not start, and says which member has it", () =>
  InProcessCluster.run({ config: { clusterSecret: "s3cret" }, start: [1, 2] }, async (cluster) => {
    await cluster.ready();
    for (const clusterSecret of ["", "other"]) {
      Object.assign(cluster.node(3).config, { clusterSecret });
      const error = await assertRejects(() => cluster.start(3), ConvergeError);
      assertEquals(error.code, "bad_config");
      assert(/^Cannot join http:.*: its --cluster-secret is another$/.test(error.message));
    }
  }));

Deno.test("another secret: a new node with one does not join a cluster that has none", () =>
  InProcessCluster.run({ start: [1, 2] }, async (cluster) => {
    await cluster.ready();
    Object.assign(cluster.node(3).config, { clusterSecret: "s3cret" });
    const error = await assertRejects(() => cluster.start(3), ConvergeError);
    assertEquals(error.code, "bad_config");
    assertEquals((await cluster.view(1)).members.length, 2, "nobody counts it as a member");
  }));

Deno.test("another secret: a member is told that it is refused, and others that they refuse it", () =>
  InProcessCluster.run({ config: { clusterSecret: "s3cret" } }, async (cluster) => {
    cluster.kill(3);
    Object.assign(cluster.node(3).config, { clusterSecret: "" });
    await cluster.start(3);
    const told = (i: number, event: string) =>
      cluster.node(i).warnings.filter((one) => one === event);
    await cluster.until(
      "all are told",
      () =>
        told(3, "gossip.refused").length > 0 && told(1, "message.refused").length > 0 &&
        told(2, "message.refused").length > 0,
    );
    await cluster.wait(30_000);
    assertEquals([told(3, "gossip.refused").length, told(1, "message.refused").length], [1, 1]);
  }));
