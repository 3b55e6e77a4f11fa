/** To whom a node has links, and what they know of both ends. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULTS } from "../../../src/config.ts";
import type { Gossip } from "../../../src/membership/gossip.ts";
import type { LinkContext, PeerLink } from "../../../src/replication/peers/peer_link.ts";
import { PeerLinks, type PeerLinksOptions } from "../../../src/replication/peers/peer_links.ts";
import { gossipOf, member, removal } from "../../support/members.ts";

const MIB = 1024 * 1024;

/** The links of node `a`, each of which is nothing but what it was made of. */
function linksOf(gossip: Gossip, { maxValueBytes = MIB } = {}) {
  const heard: string[] = [];
  const links = new PeerLinks({
    gossip,
    config: { ...DEFAULTS, name: "a", maxValueBytes },
    createLink: (context: LinkContext) => context as unknown as PeerLink,
    onHeard: (name: string) => void heard.push(name),
  } as unknown as PeerLinksOptions);
  const to = (name: string) => links.to(name) as unknown as LinkContext | undefined;
  return { links, to, heard };
}

Deno.test("PeerLinks.to: one link for each other member, none to anybody else", () => {
  const { to, links, heard } = linksOf(gossipOf(member("a"), { known: [member("b")] }));
  assertEquals([to("a"), to("x")], [undefined, undefined]);
  const link = to("b")!;
  assert(to("b") === link);
  assertEquals([...links.all.keys()], ["b"]);
  assertEquals(link.timeoutMs, DEFAULTS.requestTimeoutMs * 0.75);
  link.onHeard();
  assertEquals(heard, ["b"]);
});

Deno.test("PeerLinks: an answer may be as large as the largest value, and what came before it", () => {
  const known = [member("b")];
  const answerBytesMax = (maxValueBytes: number) =>
    linksOf(gossipOf(member("a"), { known }), { maxValueBytes }).to("b")!.answerBytesMax;
  assertEquals([MIB, 4 * MIB].map(answerBytesMax), [16 * MIB, (4 * 6 + 1 + 1) * MIB]);
});

Deno.test("PeerLinks: a link goes by what is said of the member now, and last where nothing is", () => {
  const gossip = gossipOf(member("a"), { known: [member("b"), member("x")] });
  const { to, links } = linksOf(gossip);
  const [b, x] = [to("b")!, to("x")!];
  const moved = member("b", { heartbeat: 1, origin: "http://elsewhere:80" });
  gossip.receive({ from: "b", members: [moved] }, 0);
  assertEquals(b.member().origin, moved.origin);
  gossip.remove("x", false);
  links.dropOfRemoved();
  assertEquals([...links.all.keys()], ["b", "x"], "it still has what others lack");
  gossip.endRemoval("x.1");
  links.dropOfRemoved();
  assertEquals([...links.all.keys()], ["b"]);
  assertEquals([x.member().nodeID, to("x")], ["x.1", undefined]);
});

Deno.test("PeerLinks: a new life of a removed name says which one it is", () => {
  const lifeOf = (gossip: Gossip) => linksOf(gossip).to("b")!.selfLife!();
  const known = [member("b")];
  assertEquals(lifeOf(gossipOf(member("a"), { known })), undefined);
  const self = member("a", { nodeID: "a.2", incarnation: 2 });
  const removed = [removal("a", { ended: true })];
  assertEquals(lifeOf(gossipOf(self, { known, removed })), "a.2");
});
