import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { BODY_TIMEOUT_MS, BodyReader, UNDER_WAY_BYTES_MAX } from "../../src/http/body.ts";
import { VirtualClock } from "../../src/simulation/virtual/virtual_clock.ts";
import { VirtualTime } from "../../src/simulation/virtual/virtual_time.ts";
import { bytesOf } from "../support/records.ts";

const MIB = 1024 * 1024;

function world(bytesMax: number) {
  const time = new VirtualTime();
  let isStopping = false;
  const options = { clock: new VirtualClock(time), isStopping: () => isStopping };
  const bodies = new BodyReader(options, bytesMax);
  const at = (ms: number) => {
    time.schedule(ms - time.nowMs, () => {});
    while (time.step(ms));
  };
  const stop = () => void (isStopping = true);
  return { bodies, at, stop };
}

/** A request that announces so many bytes; they come when `send` is called, or never. */
function request(bytes: number, isAnnounced = true): { request: Request; send(): void } {
  let send = () => {};
  const body = new ReadableStream({
    start(controller) {
      send = () => {
        controller.enqueue(new Uint8Array(bytes));
        controller.close();
      };
    },
  });
  const headers: HeadersInit = isAnnounced ? { "content-length": `${bytes}` } : {};
  return { request: new Request("http://n/kv/k", { method: "PUT", body, headers }), send };
}

const codeOf = async (body: Promise<unknown>): Promise<string> =>
  (await assertRejects(() => body, ConvergeError)).code;

Deno.test("BodyReader: a body that does not come whole is waited for no longer than its time", async () => {
  const { bodies, at } = world(MIB);
  const slow = request(10);
  const slowBody = codeOf(bodies.read(slow.request));
  at(BODY_TIMEOUT_MS - 1);
  const quick = request(20);
  const quickBody = bodies.read(quick.request);
  quick.send();
  assertEquals((await quickBody).byteLength, 20);
  at(BODY_TIMEOUT_MS + 10);
  assertEquals(await slowBody, "slow_body");
  slow.send();
});

Deno.test("BodyReader: bodies under way have a bound together, and give their room back", async () => {
  const { bodies } = world(64 * MIB);
  const room = UNDER_WAY_BYTES_MAX / (64 * MIB);
  const held = Array.from({ length: room }, () => request(64 * MIB));
  const reads = held.map(({ request }) => bodies.read(request));
  const small = request(10);
  assertEquals(await codeOf(bodies.read(small.request)), "overloaded");
  const chunked = request(10, false);
  const chunkedBody = codeOf(bodies.read(chunked.request));
  chunked.send();
  assertEquals(await chunkedBody, "overloaded");
  held[0]!.send();
  assertEquals((await reads[0]!).byteLength, 64 * MIB);
  const next = request(10);
  const nextBody = bodies.read(next.request);
  next.send();
  assertEquals((await nextBody).byteLength, 10);
});

Deno.test("BodyReader: one whose time is over keeps no room, even where it never ends", async () => {
  const { bodies, at } = world(MIB);
  const bytes = 64 * 1024;
  const stuck = Array.from({ length: UNDER_WAY_BYTES_MAX / bytes }, () => request(bytes));
  const codes = Promise.all(stuck.map(({ request }) => codeOf(bodies.read(request))));
  assertEquals(await codeOf(bodies.read(request(10).request)), "overloaded");
  at(BODY_TIMEOUT_MS + 10);
  assertEquals(new Set(await codes), new Set(["slow_body"]));
  for (const { send } of stuck) send(); // too late: what they gave back they do not give back again
  const next = request(10);
  const nextBody = bodies.read(next.request);
  next.send();
  assertEquals((await nextBody).byteLength, 10);
  for (let i = 0; i < stuck.length; i++) bodies.read(request(bytes).request);
  assertEquals(await codeOf(bodies.read(request(10).request)), "overloaded");
});

Deno.test("BodyReader: a length that is no number leaves the bound of all as it is", async () => {
  const { bodies } = world(MIB);
  const headers = { "content-length": "x, 3" }; // as a peer may send it over a socket
  const odd = new Request("http://n/internal/kv", { method: "POST", headers, body: "abc" });
  assertEquals((await bodies.read(odd)).byteLength, 3);
  for (let i = 0; i < UNDER_WAY_BYTES_MAX / MIB; i++) bodies.read(request(MIB).request);
  assertEquals(await codeOf(bodies.read(request(10).request)), "overloaded");
});

Deno.test("BodyReader: that a body breaks off is the client's fault, unless the node is stopping", async () => {
  const { bodies, stop } = world(MIB);
  const broken = (headers: HeadersInit) =>
    new Request("http://n/kv/k", {
      method: "PUT",
      headers,
      body: new ReadableStream({ start: (controller) => controller.error(new Error("gone")) }),
    });
  const codes = () =>
    Promise.all(
      [{}, { "content-length": "10" }].map((headers) => codeOf(bodies.read(broken(headers)))),
    );
  assertEquals(await codes(), ["bad_request", "bad_request"]);
  stop();
  assertEquals(await codes(), ["closed", "closed"]);
});

Deno.test("BodyReader: a body that ends before its length has come is none", async () => {
  const { bodies } = world(MIB);
  for (const [came, announced] of [[10, 11], [0, 1], [10, MIB]]) {
    const headers = { "content-length": `${announced}` };
    const body = new Uint8Array(came!);
    const cut = new Request("http://n/kv/k", { method: "PUT", headers, body });
    assertEquals(await codeOf(bodies.read(cut)), "bad_request");
  }
});

Deno.test("BodyReader: one body is taken however large it may be", async () => {
  const { bodies } = world(2 * UNDER_WAY_BYTES_MAX);
  const lone = request(UNDER_WAY_BYTES_MAX + 1);
  const body = bodies.read(lone.request);
  lone.send();
  assertEquals((await body).byteLength, UNDER_WAY_BYTES_MAX + 1);
});

Deno.test("BodyReader: a client that leaves once its time is over, and it was told so, ends no node", async () => {
  const { bodies, at } = world(MIB);
  const begun = Promise.withResolvers<void>();
  let brokeOff: Promise<unknown> | undefined;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const whole = request.bytes.bind(request);
    request.bytes = () => {
      const bytes = whole();
      brokeOff = assertRejects(() => bytes);
      return bytes;
    };
    const code = codeOf(bodies.read(request));
    begun.resolve();
    return new Response(await code, { status: 408 });
  });
  const client = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  const head = "PUT /kv/k HTTP/1.1\r\nHost: n\r\nContent-Length: 10\r\n\r\n";
  await client.write(new TextEncoder().encode(`${head}ab`));
  await begun.promise;
  at(BODY_TIMEOUT_MS + 10);
  const answer = new Uint8Array(1_000);
  assertMatch(
    new TextDecoder().decode(answer.subarray(0, await client.read(answer) ?? 0)),
    / 408 /,
  );
  client.close();
  await brokeOff;
  await server.shutdown(); // what nobody caught fails the test here
});

/** A body that is sent in pieces; whether its stream was given up. */
function pieces(headers: HeadersInit, sent: readonly string[] = []) {
  const gaveUp = { times: 0 };
  const body = new ReadableStream({
    start: (controller) => sent.forEach((text) => controller.enqueue(bytesOf(text))),
    cancel: () => void gaveUp.times++,
  });
  return { request: new Request("http://n/kv/k", { method: "PUT", headers, body }), gaveUp };
}

Deno.test("BodyReader: what is refused, and what comes too late, is given up, so that the connection goes on", async () => {
  const { bodies, at } = world(3);
  const refused: [headers: HeadersInit, code: string][] = [
    [{}, "value_too_large"],
    [{ "content-length": "4" }, "value_too_large"],
    [{ "content-encoding": "gzip" }, "bad_request"],
    [{ "content-encoding": "gzip", "content-length": "3" }, "bad_request"], // however short
    [{ "content-encoding": "identity, gzip" }, "bad_request"],
    [{ "transfer-encoding": "gzip, chunked" }, "bad_request"],
    [{ "transfer-encoding": "identity" }, "bad_request"],
  ];
  for (const [headers, code] of refused) {
    const { request, gaveUp } = pieces(headers, ["12", "34"]);
    assertEquals(await codeOf(bodies.read(request)), code, JSON.stringify(headers));
    assertEquals(gaveUp.times, 1, JSON.stringify(headers));
  }
  const late = pieces({}, ["12"]);
  const code = codeOf(bodies.read(late.request));
  assertEquals(late.gaveUp.times, 0);
  at(BODY_TIMEOUT_MS + 10);
  assertEquals(late.gaveUp.times, 1);
  assertEquals(await code, "slow_body");
});

Deno.test("BodyReader: codings that change nothing are taken, and no body is an empty one", async () => {
  const { bodies } = world(3);
  const taken: HeadersInit[] = [
    { "content-encoding": "identity" },
    { "content-encoding": "Identity", "content-length": "3" },
    { "transfer-encoding": "Chunked" },
  ];
  for (const headers of taken) {
    const body = new Blob(["abc"]).stream();
    const request = new Request("http://n/kv/k", { method: "PUT", headers, body });
    assertEquals(await bodies.read(request), bytesOf("abc"), JSON.stringify(headers));
  }
  assertEquals(await bodies.read(new Request("http://n/kv/k", { method: "PUT" })), bytesOf(""));
});

Deno.test("BodyReader: one that announces too much is too large, however little room is left", async () => {
  const { bodies } = world(MIB);
  void bodies.read(request(10).request);
  const huge = request(0);
  huge.request.headers.set("content-length", String(UNDER_WAY_BYTES_MAX));
  assertEquals(await codeOf(bodies.read(huge.request)), "value_too_large");
});

Deno.test("BodyReader: a body that has come is let go of at once", async () => {
  const { bodies, at } = world(MIB);
  const body = request(10, false);
  const reader = body.request.body!.getReader();
  let cancelled = 0;
  reader.cancel = () => Promise.resolve(void cancelled++);
  Object.defineProperty(body.request, "body", { value: { getReader: () => reader } });
  const read = bodies.read(body.request);
  body.send();
  assertEquals((await read).byteLength, 10);
  at(BODY_TIMEOUT_MS + 10);
  assertEquals(cancelled, 0, "it was kept for its deadline");
});
