/** What all messages between nodes go through: how one is taken, what it must meet, how it is answered. */
import { ConvergeError } from "../errors.ts";
import type { MemberStatus } from "../membership/member.ts";
import type { Log } from "../platform/log.ts";
import type { Reminder } from "../platform/reminder.ts";
import type { AntiEntropy } from "../replication/convergence/anti_entropy.ts";
import { bodyChecksum, checkBody } from "../replication/peers/body_checksum.ts";
import type { GossipLoop } from "../replication/gossip/gossip_loop.ts";
import {
  COUNTER_HEADER,
  FROM_HEADER,
  HORIZON_HEADER,
  LIFE_HEADER,
  parseCounterHeader,
  TO_HEADER,
} from "../replication/peers/internal_protocol.ts";
import type { LamportClock } from "../replication/state/lamport_clock.ts";
import {
  type MessageAuth,
  SIGNATURE_HEADER,
  type SignedMessage,
} from "../replication/peers/message_auth.ts";
import type { Replica } from "../replication/replica.ts";
import type { Topology } from "../replication/topology/topology.ts";
import type { Store } from "../storage/store.ts";
import type { BodyReader, BodyReaderOptions } from "./body.ts";
import { refuseCrossOrigin } from "./cross_origin.ts";
import { rawPathAfter } from "./raw_url.ts";

/** What the routes for other nodes use of their node. */
export interface InternalRoutesOptions extends BodyReaderOptions {
  nodeID: string;
  lamport: LamportClock;
  auth: MessageAuth;
  log: Log;
  replica: Replica;
  store: Store;
  gossipLoop: GossipLoop;
  antiEntropy: AntiEntropy;
  topology(): Topology;
  /** Whether clients' requests are under way here. */
  isBusy(): boolean;
  maxValueBytes: number;
  /** What this node says of itself. */
  status(): MemberStatus;
  /** Whether this node is being removed. */
  isLeaving(): boolean;
  /** Whether a message is by a node that is removed, or being removed. */
  isFromRemoved(name: string, nodeID: string | undefined): boolean;
  /** A peer sent something. */
  onHeard(name: string): void;
}

/** The node that takes messages. */
export interface Receiver extends InternalRoutesOptions {
  readonly bodies: BodyReader;
  /** Of messages without this cluster's proof. */
  readonly forgedReminder: Reminder;
}

/** A message that was taken. */
export interface Message {
  /** Name of its sender; empty when it does not say. */
  readonly from: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

export const GOSSIP_PATH = "/internal/gossip";

/**
 * Reads a message, and takes note of its sender and the counter that it carries. One that is forged, or
 * meant for another node or another life of this one, is refused.
 *
 * @throws {ConvergeError} `cross_origin`, `forged_message`, `misdirected`, `corrupt_message`; as
 * `BodyReader.read`.
 */
export async function receive(request: Request, node: Receiver): Promise<Message> {
  refuseCrossOrigin(request);
  const { method, headers, url } = request;
  const body = await node.bodies.read(request);
  const path = rawPathAfter(url, "");
  checkProof({ method, path, headers, body }, headers.get(SIGNATURE_HEADER), node);
  checkBody(headers, body);
  const from = headers.get(FROM_HEADER) ?? "";
  // Gossip is taken from one that was removed, too: it hears of that by the answer.
  const isFromRemoved = node.isFromRemoved(from, headers.get(LIFE_HEADER) ?? undefined);
  if (path !== GOSSIP_PATH && isFromRemoved) {
    throw new ConvergeError("misdirected", `Cannot take a message from ${from}: it is no member`);
  }
  const to = headers.get(TO_HEADER);
  if (to !== null && to !== node.nodeID) {
    throw new ConvergeError("misdirected", `Cannot take a message for ${to}: this is another node`);
  }
  node.lamport.observe(parseCounterHeader(headers.get(COUNTER_HEADER)));
  // Of one that is being removed gossip tells which life it is: another one says nothing of that.
  if (from !== "" && !isFromRemoved) node.onHeard(from);
  return { from, headers, body };
}

/** @throws {ConvergeError} `forged_message`. */
function checkProof(message: SignedMessage, proof: string | null, node: Receiver): void {
  try {
    node.auth.check(message, proof);
  } catch (error) {
    // Mostly a node of this cluster with another secret, or this one. Its name is not to be trusted.
    if (node.forgedReminder.isDue()) {
      node.log.warn("message.refused", { why: "its --cluster-secret is another, or none" });
    }
    throw error;
  }
}

/**
 * Refuses a question of a node whose ring is another: it goes by other owners than this node does.
 *
 * @param ring Fingerprint of the asker's ring; null where an earlier version asks.
 * @throws {ConvergeError} `not_ready`.
 */
export function requireRing(ring: string | null, { topology }: InternalRoutesOptions): void {
  if (ring === null || ring === topology().fingerprint) return;
  throw new ConvergeError("not_ready", "Cannot answer for keys: the asker has another ring");
}

/**
 * Refuses a question while this node is being refilled. The asker may not have heard of that yet, and
 * would take its copies, or its lack of one, for those of an owner that counts.
 *
 * @throws {ConvergeError} `not_ready`.
 */
export function requireComplete({ status }: InternalRoutesOptions): void {
  if (status() === "normal") return;
  throw new ConvergeError("not_ready", "Cannot answer for keys: this node is being refilled");
}

/**
 * As `requireComplete`, and refuses a question while this node is being removed, too: it is no owner any
 * more, and the asker takes it for one.
 *
 * @throws {ConvergeError} `not_ready`.
 */
export function requireCounted(node: InternalRoutesOptions): void {
  requireComplete(node);
  if (!node.isLeaving()) return;
  throw new ConvergeError("not_ready", "Cannot answer for keys: this node is being removed");
}

/** An answer with a checksum: of more than records, which have their own. */
export function checkedAnswer(
  node: InternalRoutesOptions,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Response {
  return answer(node, body, { ...headers, ...bodyChecksum(body) });
}

/** An answer, with this node's counter and horizon. */
export function answer(
  { lamport, replica }: InternalRoutesOptions,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, {
    headers: {
      [COUNTER_HEADER]: String(lamport.current),
      [HORIZON_HEADER]: String(replica.horizon),
      ...headers,
    },
  });
}
