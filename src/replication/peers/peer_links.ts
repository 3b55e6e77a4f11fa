/** A node's links to its peers: one for each, made when it is first needed. */
import type { NodeConfig } from "../../config.ts";
import type { Gossip } from "../../membership/gossip.ts";
import type { Platform } from "../../platform/platform.ts";
import { batchBytesMax } from "./internal_protocol.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import type { MessageAuth } from "./message_auth.ts";
import type { LinkContext, PeerLink } from "./peer_link.ts";

/** What links are made of. */
export interface PeerLinksOptions {
  gossip: Gossip;
  config: Pick<NodeConfig, "name" | "requestTimeoutMs" | "maxValueBytes">;
  platform: Platform;
  auth: MessageAuth;
  lamport: LamportClock;
  createLink(context: LinkContext): PeerLink;
  /** A peer answered. */
  onHeard(name: string): void;
}

/** Milliseconds that a peer gets for an internal request, as a share of a client's deadline. */
const PEER_TIMEOUT_SHARE = 0.75;
/** Bytes that every answer may have. Answers of records may have more, where values may be larger. */
const ANSWER_BYTES_MIN = 16 * 1024 * 1024;
/** Bytes of records after which an answer takes no more of them; the last may be as large as any. */
const ANSWER_BYTES_BEFORE = 1024 * 1024;

/** The links of one node. */
export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #links = new Map<string, PeerLink>();

  constructor(options: PeerLinksOptions) {
    this.#options = options;
  }

  /** Those that were needed so far, by name of the peer. */
  get all(): ReadonlyMap<string, PeerLink> {
    return this.#links;
  }

  /** The link to a peer; undefined where there is no such member, or it is this node. */
  to(name: string): PeerLink | undefined {
    const existing = this.#links.get(name);
    if (existing !== undefined) return existing;
    const link = this.#create(name);
    if (link !== undefined) this.#links.set(name, link);
    return link;
  }

  /** Lets go of the links to those that are members no more. */
  dropOfRemoved(): void {
    for (const name of this.#links.keys()) {
      if (this.#options.gossip.member(name) === undefined) this.#links.delete(name);
    }
  }

  #create(name: string): PeerLink | undefined {
    const { gossip, config, platform, auth, lamport, createLink, onHeard } = this.#options;
    let member = gossip.member(name);
    if (member === undefined || name === config.name) return undefined;
    return createLink({
      platform,
      selfName: config.name,
      auth,
      lamport,
      timeoutMs: Math.ceil(config.requestTimeoutMs * PEER_TIMEOUT_SHARE),
      answerBytesMax: Math.max(
        ANSWER_BYTES_MIN,
        batchBytesMax(config.maxValueBytes) + ANSWER_BYTES_BEFORE,
      ),
      selfLife: () => gossip.hasNameOfRemoved ? gossip.self.nodeID : undefined,
      // Gossip forgets a removed member, which may still be asked: then the last known entry stands.
      member: () => member = gossip.member(name) ?? member!,
      onHeard: () => onHeard(name),
    });
  }
}
