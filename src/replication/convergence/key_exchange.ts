/**
 * Makes two owners agree on a set of keys: walks both sorted contents side by side, pulls what the
 * peer has newer and pushes what this node has newer. The one mechanism behind anti-entropy (a few
 * leaves), catching up after a restart, and refilling an empty disk (everything).
 */
import { ConvergeError } from "../../errors.ts";
import type { Clock } from "../../platform/clock.ts";
import { delay } from "../../platform/clock.ts";
import { type Key, keyFromPath } from "../../record/key.ts";
import { batchesOf } from "../../record/frame.ts";
import type { StoredRecord } from "../../record/record.ts";
import { decodeFrames } from "../../record/record_line.ts";
import { compareVersions } from "../../record/version.ts";
import type { Store } from "../../storage/store.ts";
import type { ExchangeCounts } from "../counts.ts";
import { isBelowHorizon } from "../state/horizon.ts";
import {
  BUSY_HEADER,
  decodeReadQuestions,
  decodeReadReplies,
  encodeReadQuestion,
  HORIZON_HEADER,
  LEAVING_HEADER,
  type ReadReply,
  RING_HEADER,
  THROUGH_HEADER,
  UNCOUNTED_HEADER,
} from "../peers/internal_protocol.ts";
import { encodeRangeRequest, readRange } from "./key_range.ts";
import type { LeafSet } from "./merkle_tree.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import type { KeyVersion, Replica } from "../replica.ts";
import type { Topology } from "../topology/topology.ts";

/** What an exchange is made of. */
export interface KeyExchangeOptions {
  store: Store;
  replica: Replica;
  clock: Clock;
  selfName: string;
  linkTo(name: string): PeerLink | undefined;
  /**
   * Whether a copy of this node shows that it is no leftover, see `horizon.ts`: not while it is being
   * refilled, since what it lost may have been the tombstone. That can begin in the middle of a page.
   */
  vouches(): boolean;
  /** Whether clients' requests are under way here: they come first. */
  isBusy(): boolean;
}

/** What to make equal, with whom. */
export interface ExchangeRequest {
  readonly peerName: string;
  readonly link: PeerLink;
  readonly topology: Topology;
  /** Leaves to compare; undefined: all that both own. */
  readonly leaves: LeafSet | undefined;
  /** Where an interrupted exchange goes on. */
  readonly after: Key | undefined;
  /** Ask for whole records at once: for a node that has next to nothing. */
  readonly values: boolean;
  /** For a node that is being refilled: takes from owners of before too, see `key_range.ts`. */
  readonly settled?: readonly string[];
  /**
   * For a node that lost some of its data: what is left may be older than a tombstone that was lost
   * here and collected elsewhere. So it goes where no other owner has the key.
   */
  readonly leftovers?: boolean;
  /** Called after each page with its last key; false stops the exchange. */
  onPage(through: Key | undefined, counts: ExchangeCounts): Promise<boolean> | boolean;
}

/** A page of the peer's. */
interface PeerPage {
  /** Whole records where values were asked for. */
  readonly records: readonly KeyVersion[];
  /** Its last key; undefined: it goes to the end. */
  readonly through: Key | undefined;
  /** The horizon of the peer when it answered. */
  readonly horizon: number;
  /** Whether clients wait there. */
  readonly busy: boolean;
}

/** Pause between pages as a share of the time a page took: where clients wait they come first. */
const PAUSE_SHARE = { busy: 1, idle: 0.1 };
const PAUSE_MS_MAX = 50;
const PUSH_BYTES = 512 * 1024;

/** Runs exchanges. */
export class KeyExchange {
  readonly #options: KeyExchangeOptions;

  constructor(options: KeyExchangeOptions) {
    this.#options = options;
  }

  /**
   * Makes this node and a peer hold the same newest records of the keys asked for.
   *
   * @returns What was moved; `complete` when it went through to the last key.
   * @throws {ConvergeError} as `PeerLink.request` and `Store.apply`; `overloaded` where tombstones were
   * collected in the middle of a page. What was done stays done.
   */
  async run(request: ExchangeRequest): Promise<ExchangeCounts & { complete: boolean }> {
    const counts = { pulled: 0, pushed: 0, compared: 0 };
    let after = request.after;
    while (true) {
      const startMs = this.#options.clock.monotonicMs();
      const { through, busy } = await this.#page(request, after, counts);
      const goOn = await request.onPage(through, counts);
      if (through === undefined) return { ...counts, complete: true };
      if (!goOn) return { ...counts, complete: false };
      after = through;
      const tookMs = this.#options.clock.monotonicMs() - startMs;
      const share = busy || this.#options.isBusy() ? PAUSE_SHARE.busy : PAUSE_SHARE.idle;
      await delay(this.#options.clock, Math.min(PAUSE_MS_MAX, tookMs * share));
    }
  }

  /** One page; returns its last key, undefined at the end. */
  async #page(
    request: ExchangeRequest,
    after: Key | undefined,
    counts: ExchangeCounts,
  ): Promise<{ through: Key | undefined; busy: boolean }> {
    const { topology, leaves, link, peerName, values, settled } = request;
    const { selfName, replica, vouches } = this.#options;
    const isLeaving = topology.pending.some(({ name }) => name === peerName);
    // Learned before any copy is read, here or there: see horizon.ts.
    const ownFence = replica.horizon;
    const peer = await this.#peerPage(request, after);
    // The peer may look further back than this node does: what it shows is compared with all of this.
    const owners = [selfName, settled === undefined ? peerName : selfName] as const;
    const range = { after, owners, leaves, through: peer.through };
    const mine = await readRange(this.#options, topology, range);
    // This node may have so much more there that its own page ends first: then both end with it.
    const { through } = mine;
    const theirs = through === undefined
      ? peer.records
      : peer.records.filter(({ key }) => key <= through);
    const { missing, surplus } = difference(mine.records, theirs);
    counts.compared += theirs.length;
    counts.pulled += values
      ? await this.#store(missing as StoredRecord[], ownFence)
      : await this.#pull(link, missing, { fence: ownFence, isLeaving });
    const owed = surplus.filter(({ key }) => topology.owns(peerName, key));
    const fence = vouches() ? peer.horizon : undefined;
    const { pushed, below } = await this.#push(link, owed, fence);
    counts.pushed += pushed;
    if (request.leftovers === true) await this.#giveUp(topology, peerName, below);
    return { through, busy: peer.busy };
  }

  /** What the peer has behind `after` of what both own, and up to which key that is. */
  async #peerPage(request: ExchangeRequest, after: Key | undefined): Promise<PeerPage> {
    const { topology, leaves, link, peerName, values, settled } = request;
    const owners = [this.#options.selfName, peerName] as const;
    const ring = topology.fingerprint;
    const question = encodeRangeRequest({ after, owners, leaves, settled, ring, values });
    const { headers, body } = await link.request("POST", "/internal/range", {
      body: new TextEncoder().encode(question),
      timeoutMs: link.workTimeoutMs,
    });
    const header = headers.get(THROUGH_HEADER);
    const through = header === null ? undefined : keyFromPath(header);
    if (through !== undefined && after !== undefined && through <= after) {
      throw new ConvergeError(
        "corrupt_message",
        `Cannot go on with ${peerName}: its page ends before`,
      );
    }
    return {
      records: values ? decodeFrames(body) : versionsIn(body),
      through,
      horizon: Number(headers.get(HORIZON_HEADER) ?? "0"),
      busy: headers.has(BUSY_HEADER),
    };
  }

  async #pull(
    link: PeerLink,
    keys: readonly KeyVersion[],
    { fence, isLeaving }: { fence: number; isLeaving: boolean },
  ): Promise<number> {
    const headers: Record<string, string> = isLeaving ? { [LEAVING_HEADER]: "1" } : {};
    let pulled = 0;
    let wanted = keys;
    while (wanted.length > 0) {
      const replies = await askAbout(link, wanted, headers);
      pulled += await this.#store(replies.filter((reply) => typeof reply === "object"), fence);
      wanted = wanted.filter((_, i) => replies[i] === "again");
    }
    return pulled;
  }

  /** @throws {ConvergeError} `overloaded` where the horizon rose meanwhile: not all of them was taken. */
  async #store(records: readonly StoredRecord[], fence: number): Promise<number> {
    if (records.length === 0) return 0;
    const results = await this.#options.replica.apply(records, fence);
    if (results.some(isBelowHorizon)) {
      throw new ConvergeError("overloaded", "Cannot take the page now: the horizon rose meanwhile");
    }
    return results.filter((result) => result === "stored").length;
  }

  /** Sends this node's copies; `below` are those that the peer did not take, see `horizon.ts`. */
  async #push(
    link: PeerLink,
    records: readonly StoredRecord[],
    fence: number | undefined,
  ): Promise<{ pushed: number; below: StoredRecord[] }> {
    let pushed = 0;
    const below: StoredRecord[] = [];
    for (const batch of batchesOf(records, PUSH_BYTES)) {
      const results = await link.writeCopies(batch, fence);
      batch.forEach((record, i) => {
        if (results[i] === "stored") pushed++;
        else if (isBelowHorizon(results[i])) below.push(record);
      });
    }
    return { pushed, below };
  }

  /**
   * Erases those copies that an owner did not take, and of whose keys no other owner knows anything, be
   * it one that is being refilled itself, or removed.
   */
  async #giveUp(
    topology: Topology,
    refusedBy: string,
    records: readonly StoredRecord[],
  ): Promise<void> {
    const { selfName, linkTo, replica } = this.#options;
    const known = new Set<KeyVersion>();
    for (const name of [...topology.members.map((member) => member.name), ...topology.sources]) {
      if (name === selfName || name === refusedBy) continue;
      const owned = records.filter((record) => topology.holds(name, record.key));
      if (owned.length === 0) continue;
      const link = linkTo(name);
      if (link === undefined) throw new ConvergeError("unreachable", `Cannot ask ${name}`);
      for (const record of await knownBy(link, owned, topology.fingerprint)) known.add(record);
    }
    await replica.collect(records.filter((record) => !known.has(record)));
  }
}

/**
 * Those of the keys that a peer has something of, whether or not it counts. Leftovers are nothing, which
 * it can only tell by the same ring.
 */
async function knownBy(
  link: PeerLink,
  keys: readonly KeyVersion[],
  ring: string,
): Promise<KeyVersion[]> {
  const headers = { [UNCOUNTED_HEADER]: "1", [RING_HEADER]: ring };
  const known: KeyVersion[] = [];
  for (let left = keys; left.length > 0;) {
    const replies = await askAbout(link, left, headers);
    known.push(...left.filter((_, i) => replies[i] !== "absent" && replies[i] !== "again"));
    left = left.filter((_, i) => replies[i] === "again");
  }
  return known;
}

async function askAbout(
  link: PeerLink,
  keys: readonly KeyVersion[],
  headers: Record<string, string> = {},
): Promise<ReadReply[]> {
  const body = keys.map(({ key }) => encodeReadQuestion({ key, have: undefined })).join("");
  const response = await link.request("POST", "/internal/read", {
    body: new TextEncoder().encode(body),
    headers,
    timeoutMs: link.workTimeoutMs,
  });
  return decodeReadReplies(response.body, keys);
}

/** Merges two sorted lists: what the other side has newer, and what this side has newer. */
export function difference<Mine extends KeyVersion, Theirs extends KeyVersion>(
  mine: readonly Mine[],
  theirs: readonly Theirs[],
): { missing: Theirs[]; surplus: Mine[] } {
  const missing: Theirs[] = [];
  const surplus: Mine[] = [];
  let i = 0;
  let j = 0;
  while (i < mine.length || j < theirs.length) {
    const a = mine[i];
    const b = theirs[j];
    if (b === undefined || (a !== undefined && a.key < b.key)) {
      surplus.push(a!);
      i++;
    } else if (a === undefined || b.key < a.key) {
      missing.push(b);
      j++;
    } else {
      const order = compareVersions(a, b);
      if (order < 0) missing.push(b);
      else if (order > 0) surplus.push(a);
      i++;
      j++;
    }
  }
  return { missing, surplus };
}

function versionsIn(body: Uint8Array): KeyVersion[] {
  return body.byteLength === 0
    ? []
    : decodeReadQuestions(body).map(({ key, have }) => ({ key, ...have! }));
}
