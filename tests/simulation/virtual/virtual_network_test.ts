import { assert, assertEquals, assertRejects } from "@std/assert";
import { Hono } from "hono";
import { ConvergeError } from "../../../src/errors.ts";
import { drainMicrotasks } from "../../../src/simulation/virtual/drain.ts";
import { ProcessLife } from "../../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../../src/simulation/virtual/random_streams.ts";
import {
  CALM_LINK,
  VirtualNetwork,
  type VirtualRequest,
} from "../../../src/simulation/virtual/virtual_network.ts";
import { VirtualTime } from "../../../src/simulation/virtual/virtual_time.ts";

const A = "http://a:80";
const B = "http://b:80";

/** Two processes, B answering with what it was sent, and a way to let virtual time pass. */
function world(seed = 1) {
  const time = new VirtualTime();
  const network = new VirtualNetwork({ time, random: new SeededRandom(seed, "network") });
  const a = new ProcessLife(time);
  const b = new ProcessLife(time);
  let handled = 0;
  const app = new Hono();
  app.post("/echo", async (c) => {
    handled++;
    return c.body(new Uint8Array(await c.req.arrayBuffer()));
  });
  app.post("/internal/kv", (c) => c.body(`${++handled}`));
  network.listen(B, b, app.fetch);
  const request: VirtualRequest = {
    method: "POST",
    origin: B,
    path: "/echo",
    body: new Uint8Array([1, 2, 3]),
    timeoutMs: 100,
  };
  const run = async (untilMs: number) => {
    await drainMicrotasks();
    while (time.step(untilMs)) await drainMicrotasks();
  };
  return { time, network, app, a, b, request, run, handled: () => handled };
}

Deno.test("VirtualNetwork: a request reaches the app and its answer comes back", async () => {
  const { network, a, request, run, time } = world();
  const answer = network.send(A, a, request);
  await run(50);
  const { status, body } = await answer;
  assertEquals([status, [...body]], [200, [1, 2, 3]]);
  assertEquals(network.inFlight, 0);
  assert(time.nowMs > 0);
});

Deno.test("VirtualNetwork: no process refuses, a machine that is off is silent", async () => {
  for (const silent of [false, true]) {
    const { network, a, b, request, run } = world();
    b.kill();
    network.disconnect(B, { silent });
    const answer = network.send(A, a, request);
    const failed = assertRejects(() => answer, ConvergeError);
    await run(200);
    assertEquals((await failed).code, silent ? "timeout" : "unreachable");
  }
});

Deno.test("VirtualNetwork: one-way cuts lose the request or only the answer", async () => {
  for (const [from, to, expected] of [[A, B, 0], [B, A, 1]] as const) {
    const { network, a, request, run, handled } = world();
    network.cut(from, to);
    const failed = assertRejects(() => network.send(A, a, request), ConvergeError);
    await run(200);
    assertEquals((await failed).code, "timeout");
    assertEquals(handled(), expected);
    network.heal();
    const answer = network.send(A, a, request);
    await run(400);
    assertEquals((await answer).status, 200);
  }
});

Deno.test("VirtualNetwork: what nodes sent before their connections ended never arrives, what clients sent does", async () => {
  for (const [isClient, expected] of [[false, 0], [true, 1]] as const) {
    const { network, app, request, run, handled, time } = world();
    if (isClient) network.calmOrigins.add(A);
    network.weather = { ...CALM_LINK, delayMs: [10, 20] };
    void network.send(A, new ProcessLife(time), request).catch(() => {});
    network.endConnections();
    network.listen(B, new ProcessLife(time), app.fetch); // as it is started again
    await run(200);
    assertEquals(handled(), expected);
    const answer = network.send(A, new ProcessLife(time), request);
    await run(400);
    assertEquals((await answer).status, 200);
  }
});

Deno.test("VirtualNetwork: duplicates are handled twice and answered once", async () => {
  const { network, a, request, run, handled } = world();
  network.weather = { ...CALM_LINK, duplicateRate: 1 };
  const answer = network.send(A, a, request);
  await run(50);
  assertEquals((await answer).status, 200);
  assertEquals(handled(), 2);
});

for (const [what, from, to] of [["request", A, B], ["answer", B, A]] as const) {
  Deno.test(`VirtualNetwork: a corrupted ${what} differs in one bit`, async () => {
    const { network, a, request, run } = world();
    network.setLink(from, to, { ...CALM_LINK, corruptRate: 1 });
    const answer = network.send(A, a, request);
    await run(50);
    const { body } = await answer;
    let bits = 0;
    body.forEach((byte, i) => {
      for (let x = byte ^ request.body![i]!; x > 0; x &= x - 1) bits++;
    });
    assertEquals(bits, 1);
  });
}

Deno.test("VirtualNetwork: what is refused never arrived, be it doubled and the host just starting or ending", async () => {
  for (const isUpFirst of [true, false]) {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const { network, a, b, request, run, handled, app } = world(seed);
      network.weather = { ...CALM_LINK, duplicateRate: 1, delayMs: [0, 100] };
      if (!isUpFirst) network.disconnect(B);
      const outcome = network.send(A, a, { ...request, timeoutMs: 1_000 })
        .then(() => "answered", (error: ConvergeError) => error.code);
      await run(50);
      if (isUpFirst) network.disconnect(B);
      else network.listen(B, b, app.fetch);
      await run(2_000);
      const told = await outcome;
      outcomes.add(told);
      if (told === "unreachable") assertEquals(handled(), 0, `seed ${seed}`);
    }
    assert(outcomes.has("unreachable") && outcomes.size > 1, [...outcomes].join());
  }
});

Deno.test("VirtualNetwork: a paused process answers later, a dead one breaks the connection", async () => {
  const { network, a, b, request, run, time, handled } = world();
  b.pause();
  const late = network.send(A, a, request);
  await run(50);
  assertEquals(handled(), 0);
  b.resume();
  await run(60);
  assertEquals((await late).status, 200);
  b.pause();
  const broken = assertRejects(() => network.send(A, a, request), ConvergeError, "broken");
  await run(70);
  b.kill();
  network.disconnect(B);
  await run(80);
  assertEquals((await broken).code, "timeout");
  assert(time.nowMs <= 80);
});

Deno.test("VirtualNetwork: wide delays reorder messages", async () => {
  const { network, a, request, run } = world();
  network.weather = { ...CALM_LINK, delayMs: [0, 50] };
  const order: number[] = [];
  for (let i = 0; i < 10; i++) void network.send(A, a, request).then(() => order.push(i));
  await run(1000);
  assertEquals(order.length, 10);
  assert(order.some((value, i) => value !== i), `in order: ${order}`);
});

Deno.test("VirtualNetwork: what nodes store comes again much later, to a restarted process too", async () => {
  const { network, time, a, b, request, run, handled } = world();
  network.replays = { share: 1, delayMs: [1_000, 1_000] };
  const first = network.send(A, a, { ...request, path: "/internal/kv" });
  const other = network.send(A, a, request);
  await run(500);
  await Promise.all([first, other]);
  assertEquals(handled(), 2);
  b.kill();
  network.disconnect(B);
  let again = 0;
  network.listen(B, new ProcessLife(time), () => new Response(String(++again)));
  await run(5_000);
  // Only what makes a node store or forget, and a replay is not replayed.
  assertEquals(again, 1);
});
