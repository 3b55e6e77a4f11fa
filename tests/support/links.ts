/** Links to a peer over a network that a test makes up. */
import type { Clock } from "../../src/platform/clock.ts";
import type { Network } from "../../src/platform/network.ts";
import { LamportClock } from "../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../src/replication/state/local_state.ts";
import { MessageAuth } from "../../src/replication/peers/message_auth.ts";
import { type LinkContext, PeerLink } from "../../src/replication/peers/peer_link.ts";
import type { Store } from "../../src/storage/store.ts";
import { member } from "./members.ts";

/** The link of `node1`, which keeps its counter in `store`, to `node2`. */
export async function linkOver(
  network: Network,
  clock: Clock,
  store: Store,
  more: Partial<LinkContext> = {},
): Promise<PeerLink> {
  return new PeerLink({
    auth: new MessageAuth(""),
    platform: {
      clock,
      random: { next: () => 0.5 },
      disk: undefined!,
      log: { info() {}, warn() {}, error() {} },
      network,
    },
    selfName: "node1",
    lamport: await LamportClock.open(new LocalState(store), 0),
    timeoutMs: 1_000,
    answerBytesMax: 1024 * 1024,
    member: () => member("node2"),
    onHeard() {},
    ...more,
  });
}
