/** What a node takes note of before it says anything. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DEFAULTS, sharedOptions } from "../../../src/config.ts";
import { ConvergeError } from "../../../src/errors.ts";
import type { Gossip } from "../../../src/membership/gossip.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { meetOthers, viewsOfOthers } from "../../../src/replication/gossip/first_contact.ts";
import { MessageAuth } from "../../../src/replication/peers/message_auth.ts";
import { LamportClock } from "../../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { InstantClock } from "../../storage/instant_clock.ts";
import { gossipOf, member, originOf } from "../../support/members.ts";

Deno.test("meetOthers(): the counter of each view is observed, as with gossip", async () => {
  const lamport = await LamportClock.open(new LocalState(new MemoryStore()), 0);
  const gossip = gossipOf(member("new", { status: "joining" }), { seeds: [originOf("a")] });
  const counter = 2 ** 33;
  const view = { from: "a", members: [member("a")], counter };
  const shared = sharedOptions(DEFAULTS);
  meetOthers({ gossip, shared, lamport, clock: new InstantClock() }, [{
    origin: originOf("a"),
    view,
  }]);
  assertEquals(gossip.member("a")?.status, "normal");
  assertEquals(lamport.current, counter);
});

const SHARED = sharedOptions(DEFAULTS);

/** A node meets those whose views others give, by the origins under which they were asked. */
function meet(gossip: Gossip, views: Record<string, Gossip>): void {
  const heard = Object.entries(views).map(([origin, other]) => {
    return { origin, view: { ...other.message(), counter: 0 } };
  });
  const lamport = { observe() {} };
  meetOthers({ gossip, shared: SHARED, lamport, clock: new InstantClock() }, heard);
}

function refusalOf(gossip: Gossip, views: Record<string, Gossip>): string {
  const error = assertThrows(() => meet(gossip, views), ConvergeError);
  assertEquals(error.code, "bad_config");
  return error.message;
}

Deno.test("meetOthers(): a new node goes no further where others have other options, or are of two clusters", () => {
  const joining = () => gossipOf(member("new", { status: "joining" }));
  const shared = { ...SHARED, virtualNodes: SHARED.virtualNodes + 1 };
  const others = { "http://a:80": gossipOf(member("a"), { shared }) };
  assert(refusalOf(joining(), others).startsWith("Cannot join a: its --replication"));
  const one = gossipOf(member("a"));
  const two = gossipOf(member("b"));
  const refusal = refusalOf(joining(), { "http://a:80": one, "http://b:80": two });
  assert(refusal.startsWith("Cannot join http://b:80: it is of another cluster"));
});

Deno.test("meetOthers(): a member that comes back heeds options, and takes over nothing yet", () => {
  const back = () => gossipOf(member("a"), { known: [member("b")] });
  const shared = { ...SHARED, readQuorum: SHARED.readQuorum + 1 };
  const other = gossipOf(member("b"), { shared, known: [member("a")] });
  assert(refusalOf(back(), { "http://b:80": other }).startsWith("Cannot join b"));
  const gossip = back();
  const newer = gossipOf(member("b", { heartbeat: 9 }), { known: [member("a"), member("c")] });
  meet(gossip, { "http://b:80": newer, "http://x:80": gossipOf(member("x"), { shared }) });
  assertEquals(gossip.members.map(({ name, heartbeat }) => [name, heartbeat]), [["a", 0], [
    "b",
    0,
  ]]);
});

Deno.test("meetOthers(): a new node knows at once who is behind its seeds", () => {
  const seeds = ["http://alias:80"];
  const gossip = gossipOf(member("new", { status: "joining" }), { seeds });
  meet(gossip, { "http://alias:80": gossipOf(member("a")) });
  assertEquals(gossip.unresolvedSeeds, []);
});

Deno.test("viewsOfOthers(): asks some members, and some seeds, none of them twice", async () => {
  const names = Array.from({ length: 40 }, (_, i) => `m${i}`);
  const asked: string[] = [];
  const request = ({ origin }: { origin: string }) => {
    asked.push(origin);
    return Promise.reject(new ConvergeError("timeout", "no answer"));
  };
  const contact = {
    name: "new",
    platform: { random: { next: () => 0.5 }, network: { request } } as unknown as Platform,
    auth: new MessageAuth(""),
    timeoutMs: 1_000,
  };
  const members = names.map((name) => member(name));
  const seeds = names.map((name) => `http://seed-${name}:80`);
  assertEquals(await viewsOfOthers({ ...contact, members, seeds }), []);
  assertEquals([asked.length, new Set(asked).size], [32, 32]);
  asked.length = 0;
  const few = members.slice(0, 3);
  await viewsOfOthers({ ...contact, members: [...few, member("new")], seeds: [originOf("m1")] });
  assertEquals(asked.toSorted(), few.map(({ origin }) => origin), "not itself");
});
