/** What a node takes note of before it says anything. */
import { DEFAULTS, sharedOptions } from "../../../src/config.ts";
import { assertEquals } from "@std/assert";
import { meetOthers } from "../../../src/replication/gossip/first_contact.ts";
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
