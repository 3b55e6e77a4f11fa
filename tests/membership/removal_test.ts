import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { parseGossipMessage } from "../../src/membership/gossip_message.ts";
import { type Member, parseMember } from "../../src/membership/member.ts";
import { REMOVALS_MAX } from "../../src/membership/removal.ts";
import type { RemovalStage } from "../../src/membership/removal_stage.ts";
import {
  isKnownByAll,
  nextRemovalStep,
  PENDING_MAX,
  type RemovalView,
  sourcesOf,
  whyNotRemovable,
} from "../../src/membership/removal_step.ts";
import { gossipOf, member, removal } from "../support/members.ts";

/** A member that says how far it is with the removal of `x`. */
function at(stage: RemovalStage | undefined, name: string, changes: Partial<Member> = {}): Member {
  return member(name, {
    ...(stage === undefined ? {} : { removals: { "x.1": stage } }),
    ...changes,
  });
}

/** `a` with `b` and `c`, while `x` is being removed. */
function view(
  stages: readonly (RemovalStage | undefined)[],
  changes: Partial<RemovalView> = {},
): RemovalView & { refilledFrom: ReadonlySet<string> } {
  const [self, ...others] = stages.map((stage, i) => at(stage, "abc"[i]!));
  return {
    self: self!,
    others,
    pending: [removal("x")],
    leaving: [at("known", "x")],
    settled: new Set(["a", "b", "c", "x"]),
    refilledFrom: new Set(),
    ...changes,
  };
}

Deno.test("nextRemovalStep: a node says that it knows, and waits until all do, the leaving one too", () => {
  assertEquals(nextRemovalStep(view([undefined, "known", "known"])), {
    action: "know",
    nodeIDs: ["x.1"],
  });
  assertEquals(nextRemovalStep(view(["known", undefined, "known"])), { action: "wait" });
  const leaving = [at(undefined, "x")];
  assertEquals(nextRemovalStep(view(["known", "known", "known"], { leaving })), { action: "wait" });
  const unheard = { leaving: [] };
  assertEquals(nextRemovalStep(view(["known", "known", "known"], unheard)), { action: "wait" });
  const pending = [removal("x", { dead: true })];
  assertEquals(nextRemovalStep(view(["known", "known", "known"], { leaving, pending })), {
    action: "clear",
    names: ["x"],
  });
});

Deno.test("nextRemovalStep: clears, takes from all and the one that leaves, finishes, ends", () => {
  assertEquals(nextRemovalStep(view(["known", "known", "refilling"])), {
    action: "clear",
    names: ["x"],
  });
  const refilling = view(["refilling", "known", "done"]);
  assertEquals(nextRemovalStep(refilling), { action: "refill", from: ["b", "c", "x"] });
  const dead = [removal("x", { dead: true })];
  assertEquals(nextRemovalStep({ ...refilling, pending: dead }), {
    action: "refill",
    from: ["b", "c"],
  });
  const refilledFrom = new Set(["b", "c", "x"]);
  assertEquals(nextRemovalStep({ ...refilling, refilledFrom }), { action: "finish" });
  assertEquals(nextRemovalStep(view(["done", "done", "refilling"])), { action: "wait" });
  assertEquals(nextRemovalStep(view(["done", "done", "done"])), {
    action: "end",
    nodeIDs: ["x.1"],
  });
});

Deno.test("nextRemovalStep: waits for a node that is being refilled, its own or another", () => {
  const self = at("known", "a", { status: "refilling" });
  assertEquals(nextRemovalStep(view(["known", "known"], { self })), { action: "wait" });
  for (const status of ["joining", "refilling"] as const) {
    const others = [at("known", "b", { status })];
    assertEquals(nextRemovalStep(view(["refilling"], { others })), { action: "wait" });
    assertEquals(nextRemovalStep(view(["done"], { others })), { action: "wait" });
  }
});

Deno.test("nextRemovalStep: one that joins must know of it, and takes everything later", () => {
  const joiner = (stage?: RemovalStage) => at(stage, "j", { status: "joining" });
  const others = [at("known", "b"), joiner()];
  assertEquals(nextRemovalStep(view(["known"], { others })), { action: "wait" });
  assertEquals(nextRemovalStep(view(["known"], { others: [others[0]!, joiner("known")] })), {
    action: "clear",
    names: ["x"],
  });
  assertEquals(nextRemovalStep(view(["done"], { others: [at("done", "b"), joiner("known")] })), {
    action: "end",
    nodeIDs: ["x.1"],
  });
  const unaware = [at("done", "b"), joiner()];
  assertEquals(nextRemovalStep(view(["done"], { others: unaware })), { action: "wait" });
  const refilling = [at("known", "b"), joiner("known")];
  assertEquals(nextRemovalStep(view(["refilling"], { others: refilling })), {
    action: "refill",
    from: ["b", "x"],
  });
  const joining = { self: joiner("known"), others: [at("known", "b")] };
  assertEquals(nextRemovalStep(view([], joining)), { action: "wait" });
});

Deno.test("nextRemovalStep: one that is being filled for the first time has to be done", () => {
  const filled = (stage: RemovalStage) => at(stage, "j", { status: "refilling" });
  const waits = { others: [at("done", "b"), filled("known")] };
  assertEquals(nextRemovalStep(view(["done"], waits)), { action: "wait" });
  const done = { others: [at("done", "b"), filled("done")] };
  assertEquals(nextRemovalStep(view(["done"], done)).action, "end");
});

Deno.test("nextRemovalStep: where all that remain are new, one that lives stays until they have its data", () => {
  const others = [at("known", "k", { status: "joining" })];
  const self = at("known", "j", { status: "joining" });
  assertEquals(nextRemovalStep(view([], { self, others })), { action: "wait" });
  const pending = [removal("x", { dead: true })];
  assertEquals(nextRemovalStep(view([], { self, others, pending })).action, "end");
});

Deno.test("nextRemovalStep: of two removals neither goes on before all know both", () => {
  const both = { pending: [removal("x"), removal("y")], leaving: [at("known", "x")] };
  const self = member("a", { removals: { "x.1": "refilling", "y.1": "known" } });
  const others = [at("known", "b")];
  assertEquals(nextRemovalStep(view([], { ...both, self, others })), { action: "wait" });
  const know = { "x.1": "known", "y.1": "known" } as const;
  const step = nextRemovalStep(
    view([], {
      ...both,
      self,
      others: [member("b", { removals: know })],
      leaving: [member("x", { removals: know }), member("y", { removals: know })],
    }),
  );
  assertEquals(step, { action: "clear", names: ["y"] });
  const done = { removals: { "x.1": "known", "y.1": "done" } } as const;
  const one = view([], { ...both, self: member("a", done), others: [member("b", done)] });
  assertEquals(nextRemovalStep(one), { action: "end", nodeIDs: ["y.1"] });
});

Deno.test("nextRemovalStep: the one that leaves says that it knows, and nothing else", () => {
  const self = at(undefined, "x");
  const others = [at("known", "a")];
  assertEquals(nextRemovalStep(view([], { self, others })).action, "know");
  const knowing = { self: at("known", "x"), others: [at("done", "a")] };
  assertEquals(nextRemovalStep(view([], knowing)), { action: "wait" });
});

Deno.test("isKnownByAll: silence about removals, as of an earlier version, is no knowledge", () => {
  assert(isKnownByAll(view(["known", "done", "refilling"])));
  assert(!isKnownByAll(view(["known", "done", undefined])));
  assert(!isKnownByAll(view([undefined, "done", "known"])));
  assert(!isKnownByAll(view(["known"], { leaving: [at("known", "x", { nodeID: "x.2" })] })));
  assert(isKnownByAll(view(["known"], { pending: [removal("x", { dead: true })], leaving: [] })));
});

Deno.test("sourcesOf: one that is dead, or lost data itself, is no source", () => {
  assertEquals(sourcesOf(view(["known"])), ["x"]);
  assertEquals(sourcesOf(view(["known"], { pending: [removal("x", { dead: true })] })), []);
  const leaving = [at("known", "x", { status: "refilling" })];
  assertEquals(sourcesOf(view(["known"], { leaving })), []);
});

Deno.test("whyNotRemovable: one at a time, while all are normal; a dead one always, if it is silent", () => {
  const calm: Pick<RemovalView, "self" | "others" | "pending"> = {
    self: member("a"),
    others: [member("b")],
    pending: [],
  };
  const why = (changes: Partial<typeof calm> = {}) =>
    whyNotRemovable({ name: "b", dead: false, liveness: "up" }, { ...calm, ...changes });
  assertEquals(why(), undefined);
  assertEquals(why({ others: [] }), "there is no such member");
  assertEquals(
    why({ self: member("b"), others: [] }),
    "it is the last one: start another node first",
  );
  for (const status of ["joining", "refilling"] as const) {
    assertEquals(why({ others: [member("b"), member("c", { status })] }), `c is ${status}`);
  }
  assertEquals(why({ pending: [removal("x")] }), "x is being removed");
  const three = { ...calm, others: [member("b"), member("c")] };
  const asked = { name: "b", dead: false, liveness: "up", down: ["c"] } as const;
  assert(whyNotRemovable(asked, three)!.startsWith("c does not answer"));
  assertEquals(whyNotRemovable({ ...asked, down: ["x"] }, three), undefined);
  assertEquals(
    whyNotRemovable({ ...asked, name: "c", dead: true, liveness: "down" }, three),
    undefined,
  );
  const silent = { name: "b", dead: false, liveness: "down" } as const;
  assert(whyNotRemovable(silent, calm)!.startsWith("it does not answer"));
  assertEquals(whyNotRemovable({ ...silent, liveness: "suspect" }, calm), undefined);
  const dead = { name: "b", dead: true, liveness: "suspect" } as const;
  const others = [member("b"), member("c", { status: "joining" })];
  const busy = { ...calm, others, pending: [removal("x")] };
  assertEquals(whyNotRemovable(dead, busy), undefined);
  assert(whyNotRemovable({ ...dead, liveness: "up" }, busy)!.startsWith("it answers"));
  assert(whyNotRemovable({ ...dead, name: "a" }, busy)!.startsWith("it is the one"));
  const again = { ...calm, others: [], pending: [removal("b")] };
  assertEquals(whyNotRemovable(dead, again), undefined);
});

Deno.test("whyNotRemovable: a node that is being removed itself is not one that stays", () => {
  const asked = {
    self: at("known", "x"),
    others: [member("b")],
    pending: [removal("x")],
  };
  const dead = { name: "b", dead: true, liveness: "down" } as const;
  assertEquals(whyNotRemovable(dead, asked), "it is the last one: start another node first");
  const others = [member("b"), member("c")];
  assertEquals(whyNotRemovable(dead, { ...asked, others }), undefined);
});

Deno.test("removals: no more are begun at once than all members can tell of", () => {
  const names = Array.from({ length: PENDING_MAX + 1 }, (_, i) => `x${i}`);
  const gossip = gossipOf(member("a"), { known: [...names, "b"].map((name) => member(name)) });
  const why = (name: string) =>
    whyNotRemovable({ name, dead: true, liveness: "down" }, gossip.removalView);
  for (const name of names.slice(1)) {
    assertEquals(why(name), undefined);
    gossip.remove(name, true);
  }
  assertEquals(why(names[0]!), `${PENDING_MAX} members are being removed`);
  assertEquals(why(names[1]!), undefined, "it goes on");
  // Another node has begun one, too: what is said of more than these is understood nevertheless.
  gossip.remove(names[0]!, true);
  gossip.setRemovalStages(Object.fromEntries(names.map((name) => [`${name}.1`, "known" as const])));
  assertEquals(parseGossipMessage(JSON.parse(JSON.stringify(gossip.message()))), gossip.message());
});

Deno.test("removals on the wire: given back as sent; what no node says is refused", () => {
  const gossip = gossipOf(member("a"), { known: [member("x")] });
  assertEquals("removed" in gossip.message(), false, "without removals messages stay as they were");
  gossip.remove("x", false);
  gossip.setRemovalStages({ "x.1": "known" });
  const message = JSON.parse(JSON.stringify(gossip.message()));
  assertEquals(parseGossipMessage(message), gossip.message());
  const wrong = [
    { ...message, removed: {} },
    { ...message, removed: Array(REMOVALS_MAX + 1).fill(removal("x")) },
    { ...message, removed: [{ ...removal("x"), dead: "no" }] },
    { ...message, removed: [{ ...removal("x"), ended: "no" }] },
    { ...message, removed: [{ ...removal("x"), incarnation: 1.5 }] },
    { ...message, removed: [removal("x", { nodeID: "y.1" })] },
    { ...message, removed: [removal("x", { origin: "file:///etc" })] },
  ];
  for (const json of wrong) assertThrows(() => parseGossipMessage(json), ConvergeError);
  const many = Array.from({ length: REMOVALS_MAX + 1 }, (_, i) => [`x${i}.1`, "known"]);
  for (const removals of [7, { "x.1": "dead" }, { "": "known" }, Object.fromEntries(many)]) {
    assertThrows(() => parseMember({ ...member("a"), removals }), ConvergeError);
  }
});
