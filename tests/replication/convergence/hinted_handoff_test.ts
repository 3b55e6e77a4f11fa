import { assert, assertEquals, assertMatch } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { Network, NetworkRequest, NetworkResponse } from "../../../src/platform/network.ts";
import { decodeFrames } from "../../../src/record/record_line.ts";
import { HintedHandoff } from "../../../src/replication/convergence/hinted_handoff.ts";
import { HINT_HEADER, MORE_HINTS } from "../../../src/replication/peers/internal_protocol.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { KEYSPACE_NAME } from "../../../src/storage/store.ts";
import { inWorld } from "../../support/in_world.ts";
import { linkOver } from "../../support/links.ts";
import { bytesOf, record } from "../../support/records.ts";

const HOUR_MS = 60 * 60 * 1000;

/** One node with hints for node2, which answers as `answer` says. */
async function handoff(clock: Clock, options: { bytesMax?: number; ageMsMax?: number } = {}) {
  const store = new MemoryStore();
  const received: string[] = [];
  const told: string[] = [];
  const peer = {
    answer: (request: NetworkRequest): NetworkResponse | Promise<NetworkResponse> => {
      const records = decodeFrames(request.body!);
      received.push(...records.map(({ key, counter }) => `${key}@${counter}`));
      return {
        status: 200,
        headers: new Headers(),
        body: bytesOf("stored\n".repeat(records.length)),
      };
    },
  };
  const network: Network = { request: async (request) => await peer.answer(request) };
  const peerLink = await linkOver(network, clock, store);
  const link = { name: "node2" };
  const open = () =>
    new HintedHandoff({
      store,
      clock,
      log: { info: (event) => void told.push(event), warn() {}, error() {} },
      linkTo: (name) => name === link.name ? peerLink : undefined,
      bytesMax: options.bytesMax ?? 1e6,
      ageMsMax: options.ageMsMax ?? 3 * HOUR_MS,
    });
  const kept = () => {
    const scan = store.scan("hints-node2");
    return scan.next(1_000).map(({ key, counter }) => `${key}@${counter}`);
  };
  return { store, peer, peerLink, link, received, told, kept, hints: open(), open };
}

const away = (): never => {
  throw new ConvergeError("timeout", "no answer");
};

Deno.test("HintedHandoff: a node that is away is told of at once and then once a minute, each time anew", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer, told } = await handoff(clock);
    const { answer } = peer;
    hints.start(["node2"]);
    for (const outage of [1, 2]) {
      peer.answer = away;
      hints.add("node2", record("a", outage));
      await wait(1_000);
      assertEquals(told, ["hints.wait"], `outage ${outage}`);
      await wait(10 * 60_000);
      assertEquals(told.length, 11, `outage ${outage}`);
      peer.answer = answer;
      await wait(30_000);
      told.length = 0;
    }
    hints.stop();
  });
});

Deno.test("HintedHandoff: a hint is delivered once, and then gone", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, received, kept } = await handoff(clock);
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    hints.add("node2", record("b", 2));
    await wait(5_000);
    assertEquals([received, kept()], [["a@1", "b@2"], []]);
    assertEquals(hints.counts(), { added: 2, delivered: 2, dropped: 0, waiting: {} });
    hints.stop();
  });
});

Deno.test("HintedHandoff: a node catches up from the first hint that it takes to the last, if that does not last", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer, peerLink, received } = await handoff(clock);
    const { answer } = peer;
    const thousand = Array.from({ length: 1_000 }, (_, i) => record(`k${i}`, i + 1));
    hints.start(["node2"]);
    peer.answer = away;
    for (const one of thousand) hints.add("node2", one);
    await wait(10_000);
    assertEquals(hints.isCatchingUp("node2"), false, "away");
    peer.answer = async (request) => {
      await wait(30);
      return answer(request);
    };
    peerLink.heard();
    const startMs = clock.monotonicMs();
    const delivered = hints.deliver("node2");
    assertEquals(hints.isCatchingUp("node2"), true);
    await delivered;
    assertEquals([hints.isCatchingUp("node2"), received.length], [false, 1_000]);
    assert(clock.monotonicMs() - startMs >= 4 * 2 * 30, "clients have half of the time");
    // Each answer takes so long that as many new ones have come by then.
    const addMany = () => {
      for (const { key } of thousand) hints.add("node2", record(key, 2_000 + received.length));
    };
    peer.answer = async (request) => {
      await wait(1_000);
      addMany();
      return answer(request);
    };
    addMany();
    await wait(99_000);
    assertEquals(hints.isCatchingUp("node2"), true);
    await wait(5_000);
    assertEquals(hints.isCatchingUp("node2"), false, "it goes on and on");
    hints.stop();
  });
});

Deno.test("HintedHandoff: what one message takes keeps nobody from comparing; both ends know of more", () =>
  inWorld(async ({ clock, wait }) => {
    const { hints, peer } = await handoff(clock);
    const { answer } = peer;
    const said: boolean[] = [];
    const told: string[] = [];
    peer.answer = (request) => {
      said.push(hints.isCatchingUp("node2"));
      told.push(request.headers![HINT_HEADER]!);
      return answer(request);
    };
    const deliver = async (count: number, valueBytes: number) => {
      const value = "x".repeat(valueBytes);
      for (let i = 0; i < count; i++) {
        hints.add("node2", record(`k${i}`, told.length + 1, { value }));
      }
      await wait(1_000);
    };
    hints.start(["node2"]);
    await deliver(256, 1);
    assertEquals(said, [false]);
    await deliver(257, 1);
    assertEquals(said, [false, true, false]);
    await deliver(30, 10 * 1024);
    assertEquals(said, [false, true, false, true, false], "few, but long");
    assertEquals(told, said.map((isMuch) => isMuch ? MORE_HINTS : "1"));
    hints.stop();
  }));

Deno.test("HintedHandoff: a node that goes on refusing some is not said to catch up for long, until it is back once more", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer } = await handoff(clock);
    const { answer } = peer;
    const refusal = { status: 503, headers: new Headers(), body: new Uint8Array() };
    const said: boolean[] = [];
    let asked = 0;
    const addMany = () => {
      for (let i = 0; i < 1_000; i++) hints.add("node2", record(`k${i}`, asked + 1));
    };
    peer.answer = (request) => {
      said.push(hints.isCatchingUp("node2"));
      addMany(); // so that there are always more than one message takes
      return ++asked % 2 === 0 ? refusal : answer(request);
    };
    hints.start(["node2"]);
    addMany();
    await wait(90_000);
    assert(said.length > 100 && said.every(Boolean), "it goes on delivering");
    await wait(20_000);
    said.length = 0;
    await wait(60_000);
    assertEquals(said.filter(Boolean).length, 0, "that lasts");
    void hints.deliverAnew("node2");
    await wait(50_000);
    assert(said.at(-1), "it is back");
    hints.stop();
  });
});

Deno.test("HintedHandoff: a hint is not removed before a durable answer", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer, received, kept } = await handoff(clock);
    const reachable = peer.answer;
    const body = new Uint8Array();
    const answers: (() => NetworkResponse)[] = [
      away,
      () => ({ status: 503, headers: new Headers(), body }),
      () => ({ status: 500, headers: new Headers(), body }),
      () => ({ status: 200, headers: new Headers(), body }), // no answer to the line
      () => ({ status: 200, headers: new Headers(), body: bytesOf("garbage\n") }),
    ];
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    for (const answer of answers) {
      let asked = false;
      peer.answer = () => {
        asked = true;
        return answer();
      };
      await wait(20_000);
      assert(asked);
      assertEquals(kept(), ["a@1"]);
    }
    peer.answer = reachable;
    await wait(20_000);
    assertEquals([received, kept()], [["a@1"], []]);
    hints.stop();
  });
});

Deno.test("HintedHandoff: delivers nothing before its start, and nothing after its end", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, open, received } = await handoff(clock);
    hints.add("node2", record("a", 1));
    await wait(1);
    await hints.deliver("node2");
    await hints.deliverAnew("node2");
    const ended = open();
    ended.start([]);
    ended.stop();
    ended.add("node2", record("b", 2)); // a write that was under way
    await wait(2_000);
    assertEquals(received, []);
  });
});

Deno.test("HintedHandoff: hints outlive the process that took them", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, open, peer, received, kept } = await handoff(clock);
    const reachable = peer.answer;
    peer.answer = away;
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    await wait(1_000);
    hints.stop();
    peer.answer = reachable;
    await wait(10_000);
    assertEquals([received, kept()], [[], ["a@1"]]);
    const later = open();
    later.start(["node2"]);
    assertEquals(later.counts().waiting, { node2: 1 });
    await wait(10_000);
    assertEquals([received, kept()], [["a@1"], []]);
    later.stop();
  });
});

Deno.test("HintedHandoff: of one key only the newest hint is kept", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, kept, received } = await handoff(clock);
    for (const counter of [2, 3, 1]) hints.add("node2", record("a", counter));
    await wait(1);
    assertEquals(kept(), ["a@3"]);
    hints.start(["node2"]);
    await wait(5_000);
    assertEquals(received, ["a@3"]);
    hints.stop();
  });
});

Deno.test("HintedHandoff: a hint that comes during a delivery is not erased with it", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer, kept, received } = await handoff(clock);
    const reachable = peer.answer;
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    peer.answer = (request) => {
      peer.answer = reachable;
      hints.add("node2", record("a", 2));
      return reachable(request);
    };
    await wait(10_000);
    assertEquals([received, kept()], [["a@1", "a@2"], []]);
    hints.stop();
  });
});

Deno.test("HintedHandoff: all hints together have a bound in bytes; what is over is counted", async () => {
  await inWorld(async ({ clock, wait }) => {
    const size = record("k10", 1).frame.byteLength;
    const { hints, kept } = await handoff(clock, { bytesMax: 10 * size });
    for (let i = 0; i < 30; i++) {
      hints.add(i % 2 === 0 ? "node2" : "node3", record(`k${10 + i}`, 1));
      await wait(1);
    }
    assertEquals(kept().length, 5);
    const { added, dropped } = hints.counts();
    assertEquals([added, dropped], [10, 20]);
  });
});

Deno.test("HintedHandoff: what a newer hint replaces takes no room any more", async () => {
  await inWorld(async ({ clock, wait }) => {
    const size = record("k", 1).frame.byteLength;
    const { hints, kept } = await handoff(clock, { bytesMax: 3 * size });
    for (let counter = 1; counter < 10; counter++) {
      hints.add("node2", record("k", counter));
      if (counter % 2 === 0) await wait(1); // alone in its batch, and together with another
    }
    await wait(1);
    assertEquals(kept(), ["k@9"]);
    assertEquals(hints.counts(), { added: 9, delivered: 0, dropped: 0, waiting: { node2: 1 } });
    // Nor does one that is replaced already when it comes.
    const long = { value: "x".repeat(size) };
    hints.add("node2", record("k", 1, long));
    await wait(1);
    hints.add("node2", record("j", 1, long));
    await wait(1);
    assertEquals([kept(), hints.counts().dropped], [["j@1", "k@9"], 0]);
    hints.stop();
  });
});

Deno.test("HintedHandoff: a long absence is looked through once, not from its start for each batch", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, store, peer, received, kept } = await handoff(clock);
    const reachable = peer.answer;
    peer.answer = away;
    const count = 6_000;
    hints.start(["node2"]);
    for (let i = 0; i < count; i++) hints.add("node2", record(`k${10_000 + i}`, 1));
    await wait(10_000);
    peer.answer = reachable;
    const starts: string[] = [];
    const scan = store.scan.bind(store);
    store.scan = (keyspace, options = {}) => {
      if (options.start !== undefined) starts.push(options.start);
      return scan(keyspace, options);
    };
    await wait(60_000);
    assertEquals([received.length, new Set(received).size, kept()], [count, count, []]);
    assertEquals(hints.counts().waiting, {});
    assert(starts.length > 10, `${starts.length} batches`);
    assertEquals(
      starts,
      [...new Set(starts)].sort(),
      "each batch goes on where the last one ended",
    );
    hints.stop();
  });
});

Deno.test("HintedHandoff: what an earlier life left takes its room", async () => {
  await inWorld(async ({ clock, wait }) => {
    const size = record("k1", 1).frame.byteLength;
    const { hints, open } = await handoff(clock, { bytesMax: 3 * size });
    for (let i = 0; i < 3; i++) hints.add("node2", record(`k${i}`, 1));
    await wait(1);
    const later = open();
    later.start(["node2"]);
    later.add("node2", record("k3", 1));
    assertEquals(later.counts().dropped, 1);
    later.stop();
  });
});

Deno.test("HintedHandoff: of more hints than are remembered one by one those left are counted", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, store, peer } = await handoff(clock);
    const { answer } = peer;
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    await wait(1);
    peer.answer = async (request) => {
      peer.answer = answer;
      for (let i = 0; i < 5_000; i++) hints.add("node2", record(`k${i}`, 1));
      await wait(100);
      return answer(request);
    };
    await hints.deliver("node2");
    const left = store.scan("hints-node2").next(Infinity).length;
    assert(left > 0);
    assertEquals(hints.counts().waiting, { node2: left });
    hints.stop();
  });
});

Deno.test("HintedHandoff: hints beyond their age are dropped, not delivered", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer, received, kept } = await handoff(clock, { ageMsMax: HOUR_MS });
    const reachable = peer.answer;
    peer.answer = away;
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    await wait(HOUR_MS / 2);
    hints.add("node2", record("b", 1)); // there are always some that are newer
    await wait(HOUR_MS / 2 + 10_000);
    assertEquals([kept(), hints.counts().dropped], [[], 2]);
    peer.answer = reachable;
    await wait(20_000);
    assertEquals(received, []);
    hints.stop();
  });
});

Deno.test("HintedHandoff: the first hint after a long quiet time is not old", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, received } = await handoff(clock, { ageMsMax: HOUR_MS });
    hints.start(["node2"]);
    await wait(2 * HOUR_MS);
    hints.add("node2", record("a", 1));
    await wait(5_000);
    assertEquals(received, ["a@1"]);
    assertEquals(hints.counts().dropped, 0);
    hints.stop();
  });
});

Deno.test("HintedHandoff: many large hints go in messages that the peer accepts", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer, received } = await handoff(clock, { bytesMax: 1e9 });
    const reachable = peer.answer;
    let largest = 0;
    peer.answer = (request) => {
      largest = Math.max(largest, request.body!.byteLength);
      return reachable(request);
    };
    const value = "x".repeat(1024 * 1024);
    const add = async (from: number) => {
      for (let i = from; i < from + 10; i++) {
        hints.add("node2", record(`k${10 + i}`, 1, { value }));
        await wait(1);
      }
    };
    await add(0); // from an earlier life, as far as it knows
    hints.start(["node2"]);
    await wait(10_100); // between two rounds
    await add(10);
    await wait(10_000);
    assertEquals(received.length, 20);
    assert(largest < 7 * 1024 * 1024, `${largest} bytes in one message`);
    hints.stop();
  });
});

Deno.test("HintedHandoff: the bound holds for what comes in one turn, too", async () => {
  await inWorld(async ({ clock, wait }) => {
    const size = record("k10", 1).frame.byteLength;
    const { hints, kept } = await handoff(clock, { bytesMax: 10 * size });
    for (let i = 0; i < 30; i++) hints.add("node2", record(`k${10 + i}`, 1));
    await wait(1);
    assertEquals([kept().length, hints.counts().dropped], [10, 20]);
  });
});

Deno.test("HintedHandoff: a hint that cannot be kept is counted as dropped", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, store } = await handoff(clock);
    store.apply = () => Promise.reject(new ConvergeError("disk_full", "Cannot write: no space"));
    hints.add("node2", record("k", 1));
    await wait(1);
    assertEquals(hints.counts(), { added: 0, delivered: 0, dropped: 1, waiting: {} });
  });
});

Deno.test("HintedHandoff: what waits for one that is removed is dropped; a new one of its name gets its own", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, peer, received, kept } = await handoff(clock);
    const reachable = peer.answer;
    peer.answer = away;
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    await wait(1_000);
    hints.forget("node2");
    await wait(1_000);
    assertEquals([kept(), hints.counts().dropped], [[], 1]);
    peer.answer = reachable;
    hints.start(["node2"]);
    hints.add("node2", record("b", 2));
    await wait(10_000);
    assertEquals(received, ["b@2"]);
    hints.stop();
  });
});

Deno.test("HintedHandoff: one delivery to a node at a time, twice a second, until it is stopped", async () => {
  await inWorld(async ({ clock, wait }) => {
    let rounds = 0;
    const counting: Clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      clearTimer: (timer) => clock.clearTimer(timer),
      setTimer: (delayMs, callback) => {
        if (delayMs === 500) rounds++;
        return clock.setTimer(delayMs, callback);
      },
    };
    const { hints, peer } = await handoff(counting);
    let asked = 0;
    const { promise, resolve } = Promise.withResolvers<NetworkResponse>();
    peer.answer = () => {
      asked++;
      return promise;
    };
    for (let i = 0; i < 3; i++) hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    await wait(1_900);
    assertEquals([rounds, asked, hints.counts().waiting], [4, 1, { node2: 1 }]);
    await wait(3_200);
    assertEquals([rounds, asked], [11, 1]);
    hints.stop();
    resolve({ status: 200, headers: new Headers(), body: bytesOf("stored\n") });
    await wait(5_000);
    assertEquals([rounds, asked], [11, 1]);
  });
});

Deno.test("HintedHandoff: a delivery that the end of the node cuts off is told to nobody", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { store, hints, peer, told } = await handoff(clock);
    const { answer } = peer;
    const sent = Promise.withResolvers<void>();
    peer.answer = async (request) => {
      sent.resolve();
      await wait(100);
      return answer(request);
    };
    hints.start(["node2"]);
    hints.add("node2", record("a", 1));
    await sent.promise;
    hints.stop();
    await store.close();
    await wait(1_000);
    assertEquals(told, []);
  });
});

Deno.test("HintedHandoff: names that no keyspace can have are kept apart", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, store, link, received, open } = await handoff(clock);
    const apply = store.apply.bind(store);
    store.apply = (mutations) => {
      for (const { keyspace } of mutations) assertMatch(keyspace, KEYSPACE_NAME);
      return apply(mutations);
    };
    for (const length of [57, 58]) hints.add("n".repeat(length), record("n", 1));
    hints.add("A.name", record("a", 1));
    hints.add("Another.name", record("b", 2));
    await wait(1);
    link.name = "A.name";
    const later = open(); // which finds them by these names alone
    later.start(["A.name", "Another.name"]);
    await wait(5_000);
    assertEquals([received, later.counts().waiting], [["a@1"], { "Another.name": 1 }]);
    later.stop();
  });
});

Deno.test("HintedHandoff: what could not be counted takes no room once all has been delivered", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { hints, store, open, received } = await handoff(clock);
    hints.add("node2", record("a", 1));
    await wait(1);
    const later = open();
    const scan = store.scan;
    store.scan = () => {
      throw new ConvergeError("corrupt_file", "Cannot read");
    };
    later.start(["node2"]);
    assertEquals(later.counts().waiting, { node2: 1 });
    store.scan = scan;
    await wait(5_000);
    assertEquals([received, later.counts().waiting], [["a@1"], {}]);
    later.stop();
  });
});
