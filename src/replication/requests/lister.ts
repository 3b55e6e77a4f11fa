/**
 * Lists keys of the whole cluster in order: asks every member for its sorted page, merges them, and
 * holds the same quorum rule as a read: for every key R of its owners have answered, the newest
 * version wins, and a version that is not known to be on R owners is read (and so repaired) before it
 * is listed.
 */
import { ConvergeError, isConvergeError } from "../../errors.ts";
import type { Clock, TimerID } from "../../platform/clock.ts";
import { type Key, keyFromPath } from "../../record/key.ts";
import { isLive } from "../../record/record.ts";
import { sizeOf } from "../../record/record_line.ts";
import { compareVersions } from "../../record/version.ts";
import type { Store } from "../../storage/store.ts";
import type { Coordinator } from "./coordinator.ts";
import { THROUGH_HEADER } from "../peers/internal_protocol.ts";
import {
  decodeListPage,
  encodeListRequest,
  isPageOf,
  LIST_LIMIT_MAX,
  type ListedKey,
  listedRecord,
  listPage,
  type ListRequest,
} from "./key_listing.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import type { Topology } from "../topology/topology.ts";

/** What a lister is made of. */
export interface ListerOptions {
  store: Store;
  clock: Clock;
  coordinator: Coordinator;
  selfName: string;
  /** Bytes of the largest value. */
  maxValueBytes: number;
  topology(): Topology;
  linkTo(name: string): PeerLink | undefined;
}

/** Keys in order, and where to go on. */
export interface Listing {
  readonly entries: readonly ListedKey[];
  /** Pass as `after` for the next page; undefined: there is none. */
  readonly next: Key | undefined;
}

/** What every member answered. */
interface Answer {
  readonly name: string;
  readonly keys: readonly ListedKey[];
  readonly through: Key | undefined;
}

/** Listings under way at most: each holds a page of every member in memory. */
const LISTINGS_MAX = 32;

/** Milliseconds that members are waited for without whom there are enough. */
const LATE_MS = 100;

/**
 * Bytes of values after which a listing ends, whatever its limit: it lies in memory, as records and as
 * the text that a client gets.
 */
const VALUES_BYTES = 4 * 1024 * 1024;

/**
 * Keys that members are asked for beyond those that are wanted: one shows whether there are more, the
 * others make up for tombstones and expired values. And how many times as many they are asked for
 * next, where that did not do.
 */
const ASKED_BEYOND = 16;
const ASKED_GROWTH = 4;

/**
 * Keys that are read at once, where too few of the answers have their newest version, and bytes that
 * their values may take, since each comes along. One after the other, those that an owner missed while
 * it was away would take seconds.
 */
const READING_MAX = 16;
const READING_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Lists keys. Invariant: no more than `LISTINGS_MAX` at once; nor, but for what these leave, as many
 * questions that nobody waits for.
 */
export class Lister {
  readonly #options: ListerOptions;
  readonly #readingMax: number;
  #underWay = 0;
  /** Questions of listings that have ended without their answer. */
  #leftBehind = 0;

  constructor(options: ListerOptions) {
    this.#options = options;
    const fitting = Math.floor(READING_BYTES_MAX / options.maxValueBytes);
    this.#readingMax = Math.max(1, Math.min(READING_MAX, fitting));
  }

  /**
   * One page of live keys with a prefix; with values it ends early where those are large.
   *
   * @param request `limit` is of live keys; 1 to `LIST_LIMIT_MAX`.
   * @throws {ConvergeError} `quorum_unreachable`, `not_ready`, `overloaded`.
   */
  async list(request: ListRequest): Promise<Listing> {
    if (this.#underWay >= LISTINGS_MAX) {
      throw new ConvergeError(
        "overloaded",
        `Cannot list keys now: ${this.#underWay} listings are under way`,
      );
    }
    this.#underWay++;
    try {
      return await this.#list(request);
    } finally {
      this.#underWay--;
    }
  }

  async #list(request: ListRequest): Promise<Listing> {
    const entries: ListedKey[] = [];
    let bytes = 0;
    let after = request.after;
    let limit = request.limit + ASKED_BEYOND;
    while (true) {
      limit = Math.min(limit, LIST_LIMIT_MAX);
      const wanted = request.limit - entries.length;
      const page = await this.#mergedPage({ ...request, after, limit }, wanted);
      for (const entry of page.entries) {
        entries.push(entry);
        if (entry.record !== undefined) bytes += sizeOf(entry.record);
        if (entries.length === request.limit || bytes >= VALUES_BYTES) {
          const more = page.next !== undefined || entry !== page.entries.at(-1);
          return { entries, next: more ? entry.key : undefined };
        }
      }
      // A page of nothing but tombstones says nothing about what comes behind it.
      if (page.next === undefined) return { entries, next: undefined };
      after = page.next;
      limit *= ASKED_GROWTH;
    }
  }

  /** Live keys up to where all answers reach; hardly more than are wanted. */
  async #mergedPage(request: ListRequest, wanted: number): Promise<Listing> {
    const topology = this.#options.topology();
    const answers = await this.#askAll(request, topology);
    const lack = lackOf(topology, answers);
    if (lack !== undefined) throw lack;
    const through = answers.reduce<Key | undefined>(
      (least, answer) => leastOf(least, answer.through),
      undefined,
    );
    const byKey = new Map<Key, { name: string; entry: ListedKey }[]>();
    for (const { name, keys } of answers) {
      for (const entry of keys) {
        if (through !== undefined && entry.key > through) break;
        const known = byKey.get(entry.key);
        if (known === undefined) byKey.set(entry.key, [{ name, entry }]);
        else known.push({ name, entry });
      }
    }
    const entries: ListedKey[] = [];
    const keys = [...byKey.keys()].sort(byBytes);
    for (let i = 0; i < keys.length; i += this.#readingMax) {
      const some = keys.slice(i, i + this.#readingMax);
      const results = await Promise.allSettled(
        some.map((key) => this.#settled(topology, key, byKey.get(key)!, request)),
      );
      for (const [j, result] of results.entries()) {
        if (result.status === "rejected") throw result.reason;
        if (result.value !== undefined) entries.push(result.value);
        if (entries.length > wanted) return { entries, next: some[j] };
      }
    }
    return { entries, next: through };
  }

  /** The entry of a key as a quorum read would answer it; undefined when it has no value to list. */
  async #settled(
    topology: Topology,
    key: Key,
    known: readonly { name: string; entry: ListedKey }[],
    { values, expired = false }: ListRequest,
  ): Promise<ListedKey | undefined> {
    const owners = topology.ownersOf(key).filter(({ countsForReads }) => countsForReads);
    let newest: ListedKey | undefined;
    for (const { name, entry } of known) {
      if (!owners.some((owner) => owner.name === name)) continue;
      if (newest === undefined || compareVersions(entry, newest) > 0) newest = entry;
    }
    if (newest === undefined) return undefined;
    const version = newest;
    const holding =
      known.filter(({ name, entry }) =>
        compareVersions(entry, version) === 0 && owners.some((owner) => owner.name === name)
      ).length;
    const nowMs = expired ? -Infinity : this.#options.clock.wallMs();
    if (holding >= topology.quorums.r && (!values || newest.record !== undefined)) {
      const live = !newest.tombstone && (newest.expiresAtMs === 0 || nowMs < newest.expiresAtMs);
      return live ? newest : undefined;
    }
    const { record } = await this.#options.coordinator.read(key);
    return isLive(record, nowMs) ? listedRecord(record, values) : undefined;
  }

  /** The answers of all members, or of those that are not late where they are enough. */
  async #askAll(request: ListRequest, topology: Topology): Promise<Answer[]> {
    const { clock } = this.#options;
    const { n, r } = topology.quorums;
    const answers: Answer[] = [];
    const { promise: enough, resolve, reject } = Promise.withResolvers<void>();
    let left = topology.members.length;
    let isOver = false;
    let late: TimerID | undefined;
    const take = (answer: Answer | undefined) => {
      left--;
      if (isOver) return void this.#leftBehind--;
      if (answer !== undefined) answers.push(answer);
      if (left === 0) return resolve();
      // To look at all arcs is dear: not before so few lack that it is likely.
      if (late !== undefined || topology.members.length - answers.length > n - r) return;
      if (this.#leftBehind >= LISTINGS_MAX || lackOf(topology, answers) !== undefined) return;
      late = clock.setTimer(LATE_MS, resolve);
    };
    const fail = (error: unknown) => {
      reject(error);
      take(undefined);
    };
    for (const { name } of topology.members) {
      this.#ask(name, request).then(take, fail).catch(reject);
    }
    try {
      await enough;
    } finally {
      isOver = true;
      this.#leftBehind += left;
      if (late !== undefined) clock.clearTimer(late);
    }
    return [...answers];
  }

  /** A member's page; undefined where there is none that can be used. */
  async #ask(name: string, request: ListRequest): Promise<Answer | undefined> {
    const { selfName, linkTo } = this.#options;
    if (name === selfName) return this.#ownAnswer(request);
    const link = linkTo(name);
    if (link === undefined) return undefined;
    try {
      const response = await link.request("POST", "/internal/list", {
        body: encodeListRequest(request),
      });
      const header = response.headers.get(THROUGH_HEADER);
      const keys = decodeListPage(response.body, request.values);
      const through = header === null ? undefined : keyFromPath(header);
      return isPageOf(request, keys, through) ? { name, keys, through } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Copies of this node that cannot be read are for its peers to make up for. */
  #ownAnswer(request: ListRequest): Answer | undefined {
    try {
      const { records, through } = listPage(this.#options.store, request);
      return {
        name: this.#options.selfName,
        keys: records.map((record) => listedRecord(record, request.values)),
        through,
      };
    } catch (error) {
      if (isConvergeError(error, "corrupt_file", "disk_failed", "closed")) return undefined;
      throw error;
    }
  }
}

/** What is wrong where an arc has fewer than R owners among those that answered. */
function lackOf(topology: Topology, answers: readonly Answer[]): ConvergeError | undefined {
  const answered = new Set(answers.map(({ name }) => name));
  const { r } = topology.quorums;
  for (const arc of topology.ring.arcs) {
    const owners = topology.ownersOfToken(arc.end);
    const counted = owners.filter(({ name, countsForReads }) =>
      countsForReads && answered.has(name)
    );
    if (counted.length >= r) continue;
    return new ConvergeError(
      "quorum_unreachable",
      `Cannot list: ${counted.length} of the owners of a range answered, ${r} are required`,
      {
        details: {
          required: r,
          owners: owners.map(({ name, countsForReads }) => ({
            name,
            outcome: answered.has(name) ? "answered" : "no answer",
            countsForQuorum: countsForReads,
          })),
        },
      },
    );
  }
  return undefined;
}

function leastOf(a: Key | undefined, b: Key | undefined): Key | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}

function byBytes(a: Key, b: Key): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
