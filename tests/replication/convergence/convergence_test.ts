/** What each event sets off among the parts by which replicas come to agree. */
import { assertEquals } from "@std/assert";
import { DEFAULTS } from "../../../src/config.ts";
import type { Gossip } from "../../../src/membership/gossip.ts";
import {
  Convergence,
  type ConvergenceOptions,
} from "../../../src/replication/convergence/convergence.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { InstantClock } from "../../storage/instant_clock.ts";
import { gossipOf, member, removal } from "../../support/members.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

/** A node's convergence, of which all parts do nothing but note what they are told. */
function noting(gossip: Gossip) {
  const notes: string[] = [];
  const note = (what: string) => (...said: unknown[]): void => {
    notes.push([what, ...said.map((one) => JSON.stringify(one))].join(" "));
  };
  const convergence = new Convergence({
    config: { ...DEFAULTS, name: gossip.self.name },
    selfName: gossip.self.name,
    clock: new InstantClock(),
    log: { info() {}, warn() {}, error() {} },
    store: new MemoryStore(),
    gossip,
    topology: () => topologyOf(0, { members: gossip.members }),
    linkTo: () => undefined,
    createHintedHandoff: () => ({
      start: note("hints.start"),
      deliverAnew: note("hints.deliverAnew"),
      forget: note("hints.forget"),
      stop: note("hints.stop"),
    }),
    createTombstoneCollector: () => ({
      start: note("collector.start"),
      stop: note("collector.stop"),
      onStored: note("collector.onStored"),
    }),
  } as unknown as ConvergenceOptions);
  const { antiEntropy, takeover, refill, cleanup } = convergence;
  for (const [name, part] of Object.entries({ antiEntropy, takeover, refill, cleanup })) {
    for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(part))) {
      const told = async (...said: unknown[]) => note(`${name}.${method}`)(...said);
      if (method !== "constructor") Object.defineProperty(part, method, { value: told });
    }
  }
  return { convergence, notes };
}

Deno.test("Convergence: hints and comparisons follow the members that come and go", () => {
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")] });
  const { convergence, notes } = noting(gossip);
  const before = topologyOf(0, { members: gossip.members });
  gossip.receive({ from: "b", members: [member("c")] }, 0);
  gossip.remove("x", false);
  convergence.onMembershipChange(before);
  assertEquals(notes, [
    `hints.start ["c"]`,
    `antiEntropy.urgent "c"`,
    "antiEntropy.onMembersChanged",
    "takeover.start",
    `hints.forget "x"`,
  ]);
  notes.length = 0;
  convergence.onMembershipChange(topologyOf(0, { members: gossip.members }));
  assertEquals(notes, ["antiEntropy.onMembersChanged", "takeover.start"]);
});

Deno.test("Convergence.start: what waits for those that were removed is dropped, not for a new one of the name", () => {
  const removed = ["x", "y"].map((name) => removal(name, { ended: true }));
  const known = [member("b"), member("y", { nodeID: "y.2", incarnation: 2 })];
  const { convergence, notes } = noting(gossipOf(member("a"), { known, removed }));
  convergence.start();
  assertEquals(notes.filter((one) => one.startsWith("hints")), [
    `hints.start ["b","y"]`,
    `hints.start ["x"]`,
    `hints.forget "x"`,
  ]);
  const parts = ["refill", "takeover", "antiEntropy", "collector", "cleanup"];
  assertEquals(notes.slice(3), parts.map((part) => `${part}.start`));
  notes.length = 0;
  convergence.stop();
  assertEquals(notes.toSorted(), [...parts, "hints"].map((part) => `${part}.stop`).sort());
});

Deno.test("Convergence: what was lost, stored or heard again is told to all that have to know", async () => {
  const { convergence, notes } = noting(gossipOf(member("a"), { known: [member("b")] }));
  await convergence.onDataLost(7);
  assertEquals(notes, ["antiEntropy.onDataLost", "takeover.onDataLost", "refill.restart 7"]);
  notes.length = 0;
  const { key, counter, nodeID, tombstone, expiresAtMs } = record("k", 1);
  const change = { key, counter, nodeID, tombstone, expiresAtMs };
  convergence.onStored(change);
  await convergence.onHeardAgain("b");
  assertEquals(notes, [
    `antiEntropy.onStored "k"`,
    `collector.onStored ${JSON.stringify(change)}`,
    `hints.deliverAnew "b"`,
    `antiEntropy.urgent "b"`,
  ]);
});
