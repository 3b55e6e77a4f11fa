/** `/internal/*`: what nodes say to each other; see `replication/internal_protocol.ts`. */
import type { Context, Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import { keyFromPath, keyToPath } from "../record/key.ts";
import { joinFrames, lineOf } from "../record/frame.ts";
import { decodeFrames } from "../record/record_line.ts";
import type { MemberStatus } from "../membership/member.ts";
import { bodyChecksum, checkBody } from "../replication/body_checksum.ts";
import type { AntiEntropy } from "../replication/anti_entropy.ts";
import type { GossipLoop } from "../replication/gossip_loop.ts";
import {
  batchBytesMax,
  COUNTER_HEADER,
  decodeReadQuestions,
  DURABLE_HEADER,
  encodeApplyResults,
  encodeReadQuestion,
  encodeReadReplies,
  FENCE_HEADER,
  FROM_HEADER,
  HINT_HEADER,
  HORIZON_HEADER,
  LEAVING_HEADER,
  LIFE_HEADER,
  LOCATE_HEADER,
  LOCATED_HEADER,
  parseCounterHeader,
  RING_HEADER,
  TO_HEADER,
  UNCOUNTED_HEADER,
} from "../replication/internal_protocol.ts";
import { BUSY_HEADER, THROUGH_HEADER } from "../replication/key_exchange.ts";
import { decodeListRequest, encodeListPage, listPage } from "../replication/key_listing.ts";
import { decodeRangeRequest, readRange } from "../replication/key_range.ts";
import type { LamportClock } from "../replication/lamport_clock.ts";
import type { MessageAuth } from "../replication/message_auth.ts";
import { SIGNATURE_HEADER } from "../replication/message_auth.ts";
import type { Replica } from "../replication/replica.ts";
import type { Topology } from "../replication/topology.ts";
import { DATA, type Store } from "../storage/store.ts";
import { BodyReader, type BodyReaderOptions } from "./body.ts";
import { refuseCrossOrigin } from "./cross_origin.ts";
import { methodNotAllowed, notFound } from "./problem.ts";
import { rawPathAfter, refuseParameters } from "./raw_url.ts";

/** What the routes use of their node. */
export interface InternalRoutesOptions extends BodyReaderOptions {
  nodeID: string;
  lamport: LamportClock;
  auth: MessageAuth;
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

const GOSSIP_PATH = "/internal/gossip";
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Adds the routes. */
export function internalRoutes(app: Hono, options: InternalRoutesOptions): void {
  const bodies = new BodyReader(options, batchBytesMax(options.maxValueBytes));

  app.post("/internal/kv", async (c) => {
    const { body } = await receive(c, options, bodies);
    const { headers } = c.req.raw;
    // A hint may be older than what was collected elsewhere while this node had no data.
    if (headers.has(HINT_HEADER) && options.status() !== "normal") {
      throw new ConvergeError("not_ready", "Cannot take hints: this node is being refilled");
    }
    const fence = headers.get(FENCE_HEADER);
    const records = decodeFrames(body);
    const results = await options.replica.apply(
      records,
      fence === null ? undefined : parseCounterHeader(fence),
    );
    return answer(options, encodeApplyResults(results));
  });

  app.post("/internal/collect", async (c) => {
    const { body } = await receive(c, options, bodies);
    requireRing(c.req.raw.headers.get(RING_HEADER), options);
    await options.replica.collect(decodeFrames(body));
    return answer(options, "");
  });

  app.post("/internal/read", async (c) => {
    const { body } = await receive(c, options, bodies);
    const { headers } = c.req.raw;
    requireRing(headers.get(RING_HEADER), options);
    if (headers.has(LEAVING_HEADER)) requireComplete(options);
    else if (!headers.has(UNCOUNTED_HEADER)) requireCounted(options);
    const questions = decodeReadQuestions(body);
    const replies = encodeReadReplies(options.replica.answer(questions));
    if (headers.has(DURABLE_HEADER)) await options.store.sync();
    const from = headers.has(LOCATE_HEADER) && questions.length === 1
      ? options.store.locate(DATA, questions[0]!.key)
      : undefined;
    return answer(options, replies, from === undefined ? {} : { [LOCATED_HEADER]: from });
  });

  app.post(GOSSIP_PATH, async (c) => {
    const { body } = await receive(c, options, bodies);
    return checkedAnswer(options, options.gossipLoop.receive(body));
  });

  app.post("/internal/tree", async (c) => {
    const { from, body } = await receive(c, options, bodies);
    const { ring, arcs, fresh } = decodeTreeQuestion(body);
    const hashes = arcs === undefined
      ? await options.antiEntropy.arcHashes(from, ring, fresh)
      : await options.antiEntropy.leafHashes(arcs, ring, fresh);
    return checkedAnswer(options, JSON.stringify(hashes));
  });

  app.post("/internal/range", async (c) => {
    const { body } = await receive(c, options, bodies);
    return await rangeAnswer(options, body);
  });

  app.post("/internal/list", async (c) => {
    const { body } = await receive(c, options, bodies);
    const request = decodeListRequest(body);
    requireCounted(options);
    const page = listPage(options.store, request);
    const headers = page.through === undefined ? {} : { [THROUGH_HEADER]: keyToPath(page.through) };
    return checkedAnswer(options, encodeListPage(page, request.values), headers);
  });

  // Before the route of single copies, whose wildcard matches it too.
  app.all("/internal/kv", ({ req }) => methodNotAllowed(req.method, "POST"));
  app.get("/internal/kv/*", (c) => {
    const key = keyFromPath(rawPathAfter(c.req.raw.url, "/internal/kv/"));
    refuseParameters(c.req.raw.url);
    const record = options.replica.get(key);
    if (record === undefined) return notFound("a copy of this key on this node");
    return new Response(decoder.decode(lineOf(record.frame)) + "\n", {
      headers: { "content-type": "application/json" },
    });
  });

  app.all("/internal/kv/*", ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
  for (const path of ["read", "gossip", "tree", "range", "list", "collect"]) {
    app.all(`/internal/${path}`, ({ req }) => methodNotAllowed(req.method, "POST"));
  }
}

/**
 * Reads a message, refuses what is forged, or meant for another node or another life of this one, and
 * takes note of who sends.
 *
 * @returns The body, and the sender's name, empty when it does not say.
 * @throws {ConvergeError} `cross_origin`, `forged_message`, `misdirected`, `corrupt_message`,
 * `value_too_large`.
 */
async function receive(
  { req }: Context,
  options: InternalRoutesOptions,
  bodies: BodyReader,
): Promise<{ from: string; body: Uint8Array<ArrayBuffer> }> {
  refuseCrossOrigin(req.raw);
  const { method, headers, url } = req.raw;
  const body = await bodies.read(req.raw);
  const path = rawPathAfter(url, "");
  options.auth.check({ method, path, headers, body }, headers.get(SIGNATURE_HEADER));
  checkBody(headers, body);
  const from = headers.get(FROM_HEADER) ?? "";
  // Gossip is taken from one that was removed, too: it hears of that by the answer.
  if (path !== GOSSIP_PATH && options.isFromRemoved(from, headers.get(LIFE_HEADER) ?? undefined)) {
    throw new ConvergeError("misdirected", `Cannot take a message from ${from}: it is no member`);
  }
  const to = headers.get(TO_HEADER);
  if (to !== null && to !== options.nodeID) {
    throw new ConvergeError("misdirected", `Cannot take a message for ${to}: this is another node`);
  }
  options.lamport.observe(parseCounterHeader(headers.get(COUNTER_HEADER)));
  if (from !== "") options.onHeard(from);
  return { from, body };
}

/**
 * Who asks goes by owners that are not all, or not those of now.
 *
 * @param ring Fingerprint of its ring; null where an earlier version asks.
 * @throws {ConvergeError} `not_ready` where this node's ring is another.
 */
function requireRing(ring: string | null, { topology }: InternalRoutesOptions): void {
  if (ring === null || ring === topology().fingerprint) return;
  throw new ConvergeError("not_ready", "Cannot answer for keys: the asker has another ring");
}

/**
 * A page of what this node has in some leaves: records, or versions alone.
 *
 * @throws {ConvergeError} `corrupt_message`; `not_ready` where the rings differ, or this node is being
 * refilled; as `Store.scan`.
 */
async function rangeAnswer(options: InternalRoutesOptions, asked: Uint8Array): Promise<Response> {
  const request = decodeRangeRequest(decoder.decode(asked));
  const topology = options.topology();
  requireRing(request.ring, options);
  const isHidden = topology.leftovers();
  const { records, through } = await readRange(options, topology, { ...request, isHidden });
  // Not before: it may have lost something while it read.
  requireComplete(options);
  const body = request.values ? joinFrames(records) : encoder.encode(
    records.map((record) => encodeReadQuestion({ key: record.key, have: record })).join(""),
  );
  return checkedAnswer(options, body, {
    ...(through === undefined ? {} : { [THROUGH_HEADER]: keyToPath(through) }),
    ...(options.isBusy() ? { [BUSY_HEADER]: "1" } : {}),
  });
}

/**
 * Who asks takes this node for one whose copies count, and whose lack of a key does, and may not have
 * heard otherwise yet.
 *
 * @throws {ConvergeError} `not_ready` while this node is being refilled.
 */
function requireComplete({ status }: InternalRoutesOptions): void {
  if (status() === "normal") return;
  throw new ConvergeError("not_ready", "Cannot answer for keys: this node is being refilled");
}

/**
 * Who asks takes this node for an owner, which it is no more once it knows that it is being removed.
 *
 * @throws {ConvergeError} `not_ready` as `requireComplete`, and while this node is being removed.
 */
function requireCounted(options: InternalRoutesOptions): void {
  requireComplete(options);
  if (!options.isLeaving()) return;
  throw new ConvergeError("not_ready", "Cannot answer for keys: this node is being removed");
}

/** An answer that is more than records and the words around them. */
function checkedAnswer(
  options: InternalRoutesOptions,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Response {
  return answer(options, body, { ...headers, ...bodyChecksum(body) });
}

function answer(
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

function decodeTreeQuestion(
  body: Uint8Array,
): { ring: string; arcs: number[] | undefined; fresh: boolean } {
  let json: { ring?: unknown; arcs?: unknown; fresh?: unknown } | null;
  try {
    json = JSON.parse(decoder.decode(body));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read the question: not JSON", { cause });
  }
  const { ring, arcs, fresh = false } = json ?? {};
  const usable = arcs === undefined || (Array.isArray(arcs) && arcs.every(Number.isInteger));
  if (typeof ring !== "string" || !usable || typeof fresh !== "boolean") {
    throw new ConvergeError("corrupt_message", "Cannot read the question: a member is wrong");
  }
  return { ring, arcs: arcs as number[] | undefined, fresh };
}
