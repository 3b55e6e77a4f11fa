import { assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import type { Clock } from "../../src/platform/clock.ts";
import type { Log } from "../../src/platform/log.ts";
import { AntiEntropy } from "../../src/replication/anti_entropy.ts";
import type { KeyExchange } from "../../src/replication/key_exchange.ts";
import type { PeerLink } from "../../src/replication/peer_link.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { topologyOf } from "../support/topologies.ts";

const CLOCK: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  clearTimer() {},
  setTimer: (_delayMs, callback) => (queueMicrotask(callback), 1),
};
const LOG: Log = { info() {}, warn() {}, error() {} };

Deno.test("AntiEntropy.differing: a ring that grows under a comparison ends it, whatever it waited for", async () => {
  for (const [asked, grownAt] of [[1, 1], [2, 2]] as const) {
    let topology = topologyOf(3);
    const antiEntropy = new AntiEntropy({
      store: new MemoryStore(),
      exchange: {} as KeyExchange,
      clock: CLOCK,
      log: LOG,
      selfName: "node1",
      topology: () => topology,
      linkTo: () => undefined,
      keysUnderWay: () => [],
      intervalMs: 1,
    });
    let questions = 0;
    const answer = async (): Promise<{ body: Uint8Array }> => {
      if (++questions === grownAt) {
        topology = topologyOf(4);
        // Somebody else compares over the new ring meanwhile.
        await antiEntropy.arcHashes("node2", topology.fingerprint);
      }
      return { body: new TextEncoder().encode(questions === 1 ? "{}" : "[]") };
    };
    const link = { isOpen: false, request: answer } as unknown as PeerLink;
    const error = await assertRejects(
      () => antiEntropy.differing("node2", link, topologyOf(3), false),
      ConvergeError,
    );
    assertEquals([error.code, questions], ["not_ready", asked]);
  }
});
