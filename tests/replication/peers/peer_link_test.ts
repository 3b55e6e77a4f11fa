import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Network, NetworkRequest, NetworkResponse } from "../../../src/platform/network.ts";
import { decodeFrames } from "../../../src/record/record_line.ts";
import { bodyChecksum } from "../../../src/replication/peers/body_checksum.ts";
import {
  encodeReadReplies,
  FENCE_HEADER,
} from "../../../src/replication/peers/internal_protocol.ts";
import { type PeerReply, PendingRead } from "../../../src/replication/peers/pending.ts";
import { LamportClock } from "../../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import type { WriteAnswer } from "../../../src/replication/quorum/write_core.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { inWorld } from "../../support/in_world.ts";
import { linkOver } from "../../support/links.ts";
import { bytesOf, keyOf, record } from "../../support/records.ts";

/** A request under way, and how it ends. */
interface UnderWay {
  body: Uint8Array;
  end: PromiseWithResolvers<NetworkResponse>;
}

Deno.test("PeerLink: a batch is put together in memory of an answered one, never of one without an answer", async () => {
  await inWorld(async ({ clock, wait }) => {
    const sent: UnderWay[] = [];
    const network: Network = {
      request({ body }) {
        const end = Promise.withResolvers<NetworkResponse>();
        sent.push({ body: body!, end });
        return end.promise;
      },
    };
    const link = await linkOver(network, clock, new MemoryStore());
    let answers = 0;
    const send = async (key: string, value?: string): Promise<UnderWay> => {
      link.write(record(key, 1, value === undefined ? {} : { value }), {
        onWriteAnswer: () => answers++,
      }, 0);
      await wait(50); // an answer that is late holds up nothing
      const batch = sent.at(-1)!;
      assertEquals(decodeFrames(batch.body).map((found) => found.key), [key]);
      return batch;
    };
    const answered = async ({ end }: UnderWay) => {
      end.resolve({ status: 200, headers: new Headers(), body: bytesOf("stored\n") });
      await wait(1);
    };
    const first = await send("a-longer-key");
    const second = await send("short");
    assert(second.body.buffer !== first.body.buffer, "the first is still under way");
    await answered(first);
    const third = await send("b");
    assert(third.body.buffer === first.body.buffer);
    third.end.reject(new ConvergeError("timeout", "no answer"));
    await wait(1);
    link.heard();
    const fourth = await send("c");
    assert(fourth.body.buffer !== third.body.buffer, "nobody knows whether it is still being sent");
    await answered(second);
    await answered(fourth);
    const long = await send("long", "x".repeat(600 * 1024));
    await answered(long);
    const last = await send("d");
    assert(last.body.buffer !== long.body.buffer, "that of one long value is not kept");
    await answered(last);
    assertEquals(answers, 6);
  });
});

const NO_BODY = new Uint8Array();
const NO_HEADERS = new Headers();

const ENDS: [what: string, end: number | "timeout" | "unreachable", answer: WriteAnswer][] = [
  ["another life of the node", 421, "refused"],
  ["a full queue", 503, "overloaded"],
  ["a full disk", 507, "overloaded"],
  ["what should never be", 500, "timeout"],
  ["nothing to the record", 200, "timeout"],
  ["nobody there", "unreachable", "refused"],
  ["silence", "timeout", "timeout"],
];

for (const [what, end, expected] of ENDS) {
  Deno.test(`PeerLink: ${what} (${end}) leaves a write ${expected}: certain only where it is`, () =>
    inWorld(async ({ clock, wait }) => {
      const network: Network = {
        request: async () => {
          if (typeof end === "string") throw new ConvergeError(end, "no answer");
          return { status: end, headers: NO_HEADERS, body: NO_BODY };
        },
      };
      const link = await linkOver(network, clock, new MemoryStore());
      const answers: WriteAnswer[] = [];
      const onWriteAnswer = (_slot: number, answer: WriteAnswer) => void answers.push(answer);
      link.write(record("k", 1), { onWriteAnswer }, 0);
      await wait(1);
      assertEquals(answers, [expected]);
    }));
}

Deno.test("PeerLink: a damaged answer is none, whatever its status", () =>
  inWorld(async ({ clock }) => {
    const headers = new Headers(bodyChecksum("{}"));
    const network: Network = {
      request: async () => ({ status: 200, headers, body: bytesOf("[]") }),
    };
    const link = await linkOver(network, clock, new MemoryStore());
    await assertRejects(
      () => link.request("POST", "/internal/tree", { body: NO_BODY }),
      ConvergeError,
      "checksum does not hold",
    );
  }));

Deno.test("PeerLink: a read for which an answer had no room is asked for again, by itself", () =>
  inWorld(async ({ clock, wait }) => {
    const bodies = [encodeReadReplies(["absent", "again"]), encodeReadReplies(["absent"])];
    const network: Network = {
      request: async () => ({ status: 200, headers: NO_HEADERS, body: bodies.shift()! }),
    };
    const link = await linkOver(network, clock, new MemoryStore());
    const replies: [number, PeerReply][] = [];
    const onReadReply = (slot: number, reply: PeerReply) => void replies.push([slot, reply]);
    for (const [slot, key] of ["a", "b"].entries()) {
      link.read(new PendingRead(keyOf(key), undefined, { onReadReply }, slot));
    }
    await wait(1);
    assertEquals(replies, [[0, "absent"], [1, "absent"]]);
  }));

Deno.test("PeerLink.request: says who asks which life of whom, with what counter, and how much it takes", () =>
  inWorld(async ({ clock }) => {
    const sent: NetworkRequest[] = [];
    const network: Network = {
      request: async (request) => {
        sent.push(request);
        return { status: 200, headers: NO_HEADERS, body: NO_BODY };
      },
    };
    const lamport = await LamportClock.open(new LocalState(new MemoryStore()), 0);
    lamport.observe(7);
    let life: string | undefined = undefined;
    const link = await linkOver(network, clock, new MemoryStore(), {
      lamport,
      selfLife: () => life,
    });
    const body = bytesOf("[]");
    await link.request("POST", "/internal/tree", { body });
    life = "node1.2";
    await link.request("POST", "/internal/tree", { body, headers: { "converge-more": "1" } });
    const headers = {
      "converge-from": "node1",
      "converge-to": "node2.1",
      "converge-counter": "7",
      ...bodyChecksum(body),
    };
    const both = [headers, { ...headers, "converge-life": life, "converge-more": "1" }];
    assertEquals(sent.map((request) => request.headers), both);
    assertEquals([sent[0]!.timeoutMs, sent[0]!.maxResponseBytes], [1_000, 1024 * 1024]);
  }));

Deno.test("PeerLink: batches share a way and have a client's time; what no client waits for has its own", () =>
  inWorld(async ({ clock, wait }) => {
    const sent: NetworkRequest[] = [];
    const network: Network = {
      request: async (request) => {
        sent.push(request);
        const answer = request.path === "/internal/read" ? "absent\n" : "stored\n";
        return { status: 200, headers: NO_HEADERS, body: bytesOf(answer) };
      },
    };
    const link = await linkOver(network, clock, new MemoryStore(), { timeoutMs: 1_000 });
    const waiter = { onWriteAnswer() {}, onReadReply() {} };
    link.write(record("k", 1), waiter, 0);
    link.read(new PendingRead(keyOf("k"), undefined, waiter, 0));
    await wait(1);
    await link.writeCopies([record("k", 1)], 7);
    await link.writeCopies([record("k", 1)], undefined);
    assertEquals(
      sent.map((
        { mayShare, timeoutMs, headers },
      ) => [mayShare, timeoutMs, headers?.[FENCE_HEADER]]),
      [[true, 1_000, undefined], [true, 1_000, undefined], [false, 1_500, "7"], [
        false,
        1_500,
        undefined,
      ]],
    );
    const sentBytes = sent.reduce((sum, { body }) => sum + body!.byteLength, 0);
    assertEquals(link.traffic, { sentBytes, receivedBytes: 4 * "stored\n".length });
    const slow = await linkOver(network, clock, new MemoryStore(), { timeoutMs: 4_000 });
    assertEquals(slow.workTimeoutMs, 4_000, "no less than clients are given");
  }));

Deno.test("PeerLink: the counter of an answer is observed; whoever refuses was not heard", () =>
  inWorld(async ({ clock }) => {
    const lamport = await LamportClock.open(new LocalState(new MemoryStore()), 0);
    let status = 200;
    const headers = new Headers({ "converge-counter": "9" });
    const network: Network = { request: async () => ({ status, headers, body: NO_BODY }) };
    let heard = 0;
    const onHeard = () => void heard++;
    const link = await linkOver(network, clock, new MemoryStore(), { lamport, onHeard });
    await link.request("GET", "/internal/kv/k");
    assertEquals([lamport.current, heard], [9, 1]);
    for (status of [421, 503]) {
      await assertRejects(() => link.request("GET", "/internal/kv/k"), ConvergeError);
    }
    assertEquals(heard, 1);
  }));

Deno.test("PeerLink: while a peer is gone around nothing is sent to it, and then one request to see", () =>
  inWorld(async ({ clock, wait }) => {
    let requests = 0;
    const network: Network = {
      request: async () => {
        requests++;
        throw new ConvergeError("timeout", "no answer");
      },
    };
    const link = await linkOver(network, clock, new MemoryStore());
    const ask = () => link.request("GET", "/internal/kv/k");
    await assertRejects(ask, ConvergeError, "no answer");
    assert(link.isOpen);
    await assertRejects(ask, ConvergeError, "did not answer lately");
    const answers: unknown[] = [];
    const note = (_slot: number, answer: unknown) => void answers.push(answer);
    link.write(record("k", 1), { onWriteAnswer: note }, 0);
    link.read(new PendingRead(keyOf("k"), undefined, { onReadReply: note }, 0));
    assertEquals([answers, requests], [["refused", "refused"], 1], "at once");
    await wait(300);
    assert(!link.isOpen);
    const two = [ask(), ask()];
    assertEquals(requests, 2);
    for (const one of two) await assertRejects(() => one, ConvergeError);
  }));

Deno.test("PeerLink: a request that fails after a later one was answered tells of the past; one under way shows in the latency", () =>
  inWorld(async ({ clock, wait }) => {
    const ends: PromiseWithResolvers<NetworkResponse>[] = [];
    const network: Network = {
      request: () => {
        const end = Promise.withResolvers<NetworkResponse>();
        ends.push(end);
        return end.promise;
      },
    };
    const link = await linkOver(network, clock, new MemoryStore());
    const first = link.request("GET", "/internal/kv/k");
    await wait(5);
    const second = link.request("GET", "/internal/kv/k");
    ends[1]!.resolve({ status: 200, headers: NO_HEADERS, body: NO_BODY });
    await second;
    assertEquals(link.latencyMs(clock.monotonicMs()), 5);
    ends[0]!.reject(new ConvergeError("timeout", "no answer"));
    await assertRejects(() => first, ConvergeError);
    assertEquals([link.isWell, link.isOpen], [true, false]);
    assert(link.latencyMs(clock.monotonicMs()) < 2);
  }));
