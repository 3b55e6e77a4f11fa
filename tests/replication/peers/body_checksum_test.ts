import { assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import {
  bodyChecksum,
  checkBody,
  requestChecksum,
} from "../../../src/replication/peers/body_checksum.ts";
import { encodeReadQuestion } from "../../../src/replication/peers/internal_protocol.ts";
import { InProcessCluster } from "../../support/in_process_cluster.ts";
import { problemOf } from "../../support/problems.ts";
import { keyOf } from "../../support/records.ts";

const question = encodeReadQuestion({ key: keyOf("k0"), have: undefined });
const bytes = new TextEncoder().encode(question);

Deno.test("checkBody: takes what was sent, and what has no checksum; refuses any flipped bit", () => {
  const headers = new Headers(bodyChecksum(bytes));
  assertEquals(bodyChecksum(question), bodyChecksum(bytes));
  checkBody(headers, bytes);
  checkBody(new Headers(), bytes);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] = damaged[bit >> 3]! ^ (1 << (bit & 7));
    assertThrows(() => checkBody(headers, damaged), ConvergeError, "checksum does not hold");
  }
});

Deno.test("requestChecksum: only for bodies that are more than records", () => {
  for (const path of ["read", "gossip", "tree", "range", "list"]) {
    assertEquals(requestChecksum(`/internal/${path}`, bytes), bodyChecksum(bytes), path);
  }
  for (const path of ["kv", "collect"]) {
    assertEquals(requestChecksum(`/internal/${path}`, bytes), {}, path);
  }
  assertEquals(requestChecksum("/internal/read", undefined), {});
});

Deno.test("POST /internal/*: 400 when the checksum does not hold; answers carry one", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const body = question.replace("k0", "k1");
    const headers = bodyChecksum(question);
    for (const path of ["read", "gossip", "tree", "range", "list"]) {
      const answer = await cluster.call(1, "POST", `/internal/${path}`, { headers, body });
      await problemOf(answer, 400, "corrupt-message");
    }
    const list = await cluster.call(1, "POST", "/internal/gossip", {
      body: JSON.stringify({ from: "node9", members: [] }),
    });
    const { headers: answered } = list;
    checkBody(answered, new Uint8Array(await list.arrayBuffer()));
    assertEquals(answered.has("converge-checksum"), true);
  });
});

Deno.test("an answer to gossip whose checksum does not hold is not merged", () =>
  InProcessCluster.run({}, async (cluster) => {
    const { origin, life, process } = cluster.node(2);
    let damaged = 0;
    cluster.world.network.listen(origin, life!, async (request) => {
      const answer = await process!.app.fetch(request);
      if (!request.url.endsWith("/internal/gossip")) return answer;
      damaged++;
      const body = (await answer.text()).replaceAll('"incarnation":1', '"incarnation":7');
      return new Response(body, answer);
    });
    await cluster.until("there was some", () => damaged > 10);
    for (const i of [1, 3]) {
      const { members } = await cluster.view(i);
      assertEquals(members.map(({ incarnation }) => incarnation), [1, 1, 1]);
    }
  }));
