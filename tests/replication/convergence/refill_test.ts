import { assertEquals } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { ExchangeRequest } from "../../../src/replication/convergence/key_exchange.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { Refill } from "../../../src/replication/convergence/refill.ts";
import { notedLoss } from "../../../src/replication/convergence/refill_document.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { inWorld } from "../../support/in_world.ts";
import { gossipOf, member } from "../../support/members.ts";
import { refillOptions } from "../../support/refills.ts";
import { topologyOf } from "../../support/topologies.ts";

type Exchange = (request: ExchangeRequest) => Promise<void> | void;

/** The refill of node1, which is `refilling`, from node2, which knows it. */
function refillOf(clock: Clock, store: MemoryStore, exchange: Exchange) {
  const state = new LocalState(store);
  const gossip = gossipOf(member("node1", { status: "refilling" }), { known: [member("node2")] });
  gossip.receive({ from: "node2", members: [gossip.self, member("node2")] }, 0);
  const options = refillOptions({
    gossip,
    state,
    clock,
    exchange: {
      run: async (request: ExchangeRequest) => {
        const counts = { pulled: 1, pushed: 0, compared: 1 };
        await request.onPage("k", counts);
        await exchange(request);
        await request.onPage(undefined, counts);
        return { ...counts, complete: true };
      },
    },
  });
  return { refill: new Refill(options), state, gossip, options };
}

Deno.test("Refill: data lost in the middle of it is not taken for refilled, now or after a restart", async () => {
  await inWorld(async ({ clock, wait }) => {
    let runs = 0;
    const { refill, state, gossip } = refillOf(clock, new MemoryStore(), async () => {
      // Damage is found while the last page is on its way.
      if (++runs === 1) await refill.restart(7);
    });
    refill.start();
    while (runs === 0) await wait(10);
    assertEquals(refill.progress().done, []);
    assertEquals(state.read<{ done: string[] }>("refill")!.done, []);
    while (gossip.self.status !== "normal") await wait(10);
    assertEquals([runs, refill.progress().done], [2, ["node2"]]);
    assertEquals(notedLoss(state), 7);
  });
});

Deno.test("Refill: counters are left out after a lost disk, also where it was started again since", async () => {
  for (const settled of [[], ["node1"]]) {
    await inWorld(async ({ clock, wait }) => {
      const { options } = refillOf(clock, new MemoryStore(), () => {});
      const self = member("node1", { status: "joining" });
      // Of the life of before nobody tells any more: this one has taken its place.
      const gossip = gossipOf(self, { known: [member("node2")], settled });
      gossip.receive({ from: "node2", members: [self, member("node2")] }, 0);
      const left: string[] = [];
      const onRejoined = async () => void left.push(gossip.self.status);
      const onBeforeRefill = async () => void left.push("horizon");
      new Refill({ ...options, gossip, onRejoined, onBeforeRefill }).start();
      while (gossip.self.status === "joining") await wait(1);
      assertEquals(left, [...settled.map(() => "joining"), "horizon"]);
      while (gossip.self.status !== "normal") await wait(10);
      assertEquals(left.filter((what) => what !== "horizon"), settled.map(() => "joining"));
    });
  }
});

Deno.test("Refill: a loss that cannot be written down yet is not forgotten over what was", async () => {
  await inWorld(async ({ clock, wait }) => {
    const leftovers: unknown[] = [];
    let isDamaged = true;
    const store = new MemoryStore();
    const { refill, state, gossip } = refillOf(clock, store, (request) => {
      leftovers.push(request.leftovers);
    });
    const ring = topologyOf(2).fingerprint;
    await state.write("refill", { ring, done: ["node2"], after: {}, loss: 0 });
    const { apply } = store;
    store.apply = (mutations) => {
      if (!isDamaged) return apply.call(store, mutations);
      return Promise.reject(new ConvergeError("corrupt_file", "Cannot read a table"));
    };
    await refill.restart(7);
    refill.start();
    await wait(5_000);
    assertEquals(leftovers, [true], "all is taken again, and what is left proves nothing");
    assertEquals([gossip.self.status, notedLoss(state)], ["refilling", 0]);
    isDamaged = false;
    while (gossip.self.status !== "normal") await wait(10);
    assertEquals(notedLoss(state), 7);
  });
});

Deno.test("Refill: a loss at the very end of it is not taken for an end", async () => {
  await inWorld(async ({ clock, wait }) => {
    let runs = 0;
    const { refill, gossip, options } = refillOf(clock, new MemoryStore(), () => void runs++);
    let lost = false;
    options.onBeforeRefill = async () => {
      // All is done, and what was known so far is being written down.
      if (refill.progress().done.length === 0 || lost) return;
      lost = true;
      await refill.restart(7);
    };
    refill.start();
    while (gossip.self.status !== "normal") await wait(10);
    assertEquals([lost, runs, refill.progress().done], [true, 2, ["node2"]]);
  });
});

Deno.test("Refill: a disk that fails for good while a loss is to be written down rejects nothing unseen", async () => {
  await inWorld(async ({ clock, wait }) => {
    let attempts = 0;
    const store = new MemoryStore();
    const { refill } = refillOf(clock, store, () => {});
    store.apply = () => {
      const code = ++attempts === 1 ? "disk_full" : "disk_failed";
      return Promise.reject(new ConvergeError(code, "Cannot write"));
    };
    await refill.restart(7);
    while (attempts < 2) await wait(10);
    await wait(2_000); // a rejection that nobody took would have ended the test
    assertEquals(attempts, 2, "what failed for good is not tried again");
    refill.stop();
  });
});

Deno.test("Refill: a new node among more than N waits for writes that began before it was known", async () => {
  for (
    const [members, counter, isWaited] of [[5, 1, true], [5, 0, false], [3, 1, false]] as const
  ) {
    await inWorld(async ({ clock, wait }) => {
      let begunMs: number | undefined;
      const { refill, gossip, options } = refillOf(clock, new MemoryStore(), () => {
        begunMs ??= clock.monotonicMs();
      });
      options.topology = () => topologyOf(members);
      options.lamport = { current: counter };
      await wait(5_000); // of an earlier run, say
      const startMs = clock.monotonicMs();
      refill.start();
      while (gossip.self.status !== "normal") await wait(10);
      const isLate = begunMs! - startMs >= options.requestTimeoutMs;
      assertEquals(isLate, isWaited, `${members} members, counter ${counter}`);
    });
  }
});

Deno.test("Refill: it waits from when all know it, not from its start", async () => {
  await inWorld(async ({ clock, wait }) => {
    let begunMs: number | undefined;
    const { options } = refillOf(clock, new MemoryStore(), () => {
      begunMs ??= clock.monotonicMs();
    });
    const self = member("node1", { status: "joining" });
    const gossip = gossipOf(self, { known: [member("node2"), member("node3"), member("node4")] });
    const others = gossip.members;
    new Refill({ ...options, gossip, topology: () => topologyOf(4) }).start();
    await wait(5_000);
    assertEquals(gossip.self.status, "joining");
    for (const from of ["node2", "node3", "node4"]) {
      gossip.receive({ from, members: others }, 5_000);
    }
    while (gossip.self.status !== "normal") await wait(10);
    assertEquals(begunMs! >= 5_000 + options.requestTimeoutMs, true);
  });
});

Deno.test("Refill: it waits once, however many members turn out to have data one after another", async () => {
  await inWorld(async ({ clock, wait }) => {
    const begunMs: number[] = [];
    const { refill, gossip, options } = refillOf(clock, new MemoryStore(), ({ peerName }) => {
      begunMs.push(clock.monotonicMs());
      if (peerName !== "node2") return;
      const members = [gossip.self, member("node2"), member("node3")];
      gossip.receive({ from: "node3", members }, clock.monotonicMs());
    });
    options.topology = () => topologyOf(5);
    const startMs = clock.monotonicMs();
    refill.start();
    while (gossip.self.status !== "normal") await wait(10);
    assertEquals(begunMs.map((ms) => ms - startMs >= options.requestTimeoutMs), [true, true]);
    assertEquals(begunMs.at(-1)! - begunMs[0]! < options.requestTimeoutMs / 2, true);
  });
});

Deno.test("Refill: whom it waits for, since they began before it, is known after a restart, too", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { options } = refillOf(clock, new MemoryStore(), () => {});
    const started = (status: "joining" | "refilling") => {
      const others = ["node2", "node3", "node4"].map((name) => member(name));
      const known = [...others, member("node5", { status: "refilling" })];
      const gossip = gossipOf(member("node1", { status }), { known });
      for (const { name } of known) gossip.receive({ from: name, members: gossip.members }, 0);
      const refill = new Refill({ ...options, gossip, topology: () => topologyOf(5) });
      refill.start();
      return { gossip, refill };
    };
    const before = started("joining");
    await wait(100); // it counts, and has read nobody
    before.refill.stop();
    const { gossip } = started("refilling");
    await wait(5_000);
    assertEquals([before.gossip.self.status, gossip.self.status], ["refilling", "refilling"]);
    gossip.receive({ from: "node5", members: [member("node5", { heartbeat: 1 })] }, 5_000);
    await wait(5_000);
    assertEquals(gossip.self.status, "normal");
  });
});

Deno.test("Refill: who began after it, and may wait for it, is not waited for after a restart that its status did not outlive", async () => {
  await inWorld(async ({ clock, wait }) => {
    const { options } = refillOf(clock, new MemoryStore(), () => {});
    const started = (node5: "joining" | "refilling") => {
      const others = ["node2", "node3", "node4"].map((name) => member(name));
      const known = [...others, member("node5", { status: node5 })];
      const gossip = gossipOf(member("node1", { status: "joining" }), { known });
      for (const { name } of known) gossip.receive({ from: name, members: gossip.members }, 0);
      const refill = new Refill({ ...options, gossip, topology: () => topologyOf(5) });
      refill.start();
      return { gossip, refill };
    };
    const before = started("joining");
    await wait(100); // it counts, and others were told so; that is not on disk
    before.refill.stop();
    const { gossip } = started("refilling");
    await wait(5_000);
    assertEquals([before.gossip.self.status, gossip.self.status], ["refilling", "normal"]);
  });
});

Deno.test("Refill: after each page the horizon is past what others collected; another ring ends it", async () => {
  await inWorld(async ({ clock, wait }) => {
    let raised = 0;
    let topology = topologyOf(2);
    const seen: unknown[] = [];
    const { refill, gossip, options } = refillOf(clock, new MemoryStore(), async ({ onPage }) => {
      if (seen.push(raised) > 1) return;
      const counts = { pulled: 2, pushed: 0, compared: 2 };
      seen.push(await onPage("l", counts), raised);
      topology = topologyOf(3);
      seen.push(await onPage("m", counts));
    });
    options.onBeforeRefill = async () => void raised++;
    options.topology = () => topology;
    refill.start();
    while (gossip.self.status !== "normal") await wait(10);
    assertEquals(seen.slice(0, 4), [1, true, 2, false]);
  });
});
