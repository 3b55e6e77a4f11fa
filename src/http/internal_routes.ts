/** `/internal/*`: what nodes say to each other; see `replication/peers/internal_protocol.ts`. */
import type { Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import { Reminder } from "../platform/reminder.ts";
import { joinFrames, lineOf } from "../record/frame.ts";
import { keyFromPath, keyToPath } from "../record/key.ts";
import { decodeFrames } from "../record/record_line.ts";
import {
  batchBytesMax,
  BUSY_HEADER,
  decodeReadQuestions,
  DURABLE_HEADER,
  encodeApplyResults,
  encodeReadQuestion,
  encodeReadReplies,
  FENCE_HEADER,
  HINT_HEADER,
  LEAVING_HEADER,
  LOCATE_HEADER,
  LOCATED_HEADER,
  MORE_HINTS,
  parseCounterHeader,
  RING_HEADER,
  THROUGH_HEADER,
  UNCOUNTED_HEADER,
} from "../replication/peers/internal_protocol.ts";
import {
  decodeListRequest,
  encodeListPage,
  listPage,
} from "../replication/requests/key_listing.ts";
import { decodeRangeRequest, readRange } from "../replication/convergence/key_range.ts";
import { DATA } from "../storage/store.ts";
import { BodyReader } from "./body.ts";
import {
  answer,
  checkedAnswer,
  GOSSIP_PATH,
  type InternalRoutesOptions,
  receive,
  type Receiver,
  requireComplete,
  requireCounted,
  requireRing,
} from "./internal_message.ts";
import { methodNotAllowed, notFound } from "./problem.ts";
import { rawPathAfter, refuseParameters } from "./raw_url.ts";

export type { InternalRoutesOptions };

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Takes a message and answers it. Rejects with a `ConvergeError` where it is refused. */
type MessageHandler = (request: Request, node: Receiver) => Promise<Response>;

const HANDLERS: Readonly<Record<string, MessageHandler>> = {
  "/internal/kv": storeRecords,
  "/internal/collect": collectTombstones,
  "/internal/read": answerReads,
  [GOSSIP_PATH]: answerGossip,
  "/internal/tree": answerHashes,
  "/internal/range": answerRange,
  "/internal/list": answerList,
};

/** Adds the routes. */
export function internalRoutes(app: Hono, options: InternalRoutesOptions): void {
  const bodies = new BodyReader(options, batchBytesMax(options.maxValueBytes));
  const node: Receiver = { ...options, bodies, forgedReminder: new Reminder(options.clock) };
  for (const [path, handle] of Object.entries(HANDLERS)) {
    app.post(path, ({ req }) => handle(req.raw, node));
    app.all(path, ({ req }) => methodNotAllowed(req.method, "POST"));
  }
  // After the route of batches, which its wildcard matches too.
  app.get("/internal/kv/*", ({ req }) => ownCopy(req.raw, node));
  app.all("/internal/kv/*", ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
}

/** This node's own copy of one key, as a record line; tombstones too. For people. */
function ownCopy({ url }: Request, { replica }: Receiver): Response {
  const key = keyFromPath(rawPathAfter(url, "/internal/kv/"));
  refuseParameters(url);
  const record = replica.get(key);
  if (record === undefined) return notFound("a copy of this key on this node");
  return new Response(decoder.decode(lineOf(record.frame)) + "\n", {
    headers: { "content-type": "application/json" },
  });
}

async function storeRecords(request: Request, node: Receiver): Promise<Response> {
  const { from, headers, body } = await receive(request, node);
  // A hint may be older than what was collected elsewhere while this node had no data.
  if (headers.has(HINT_HEADER) && node.status() !== "normal") {
    throw new ConvergeError("not_ready", "Cannot take hints: this node is being refilled");
  }
  const fence = headers.get(FENCE_HEADER);
  const records = decodeFrames(body);
  if (headers.get(HINT_HEADER) === MORE_HINTS) node.antiEntropy.onMoreHints(from);
  const results = await node.replica.apply(
    records,
    fence === null ? undefined : parseCounterHeader(fence),
  );
  return answer(node, encodeApplyResults(results));
}

async function collectTombstones(request: Request, node: Receiver): Promise<Response> {
  const { headers, body } = await receive(request, node);
  requireRing(headers.get(RING_HEADER), node);
  await node.replica.collect(decodeFrames(body));
  return answer(node, "");
}

async function answerReads(request: Request, node: Receiver): Promise<Response> {
  const { headers, body } = await receive(request, node);
  requireRing(headers.get(RING_HEADER), node);
  if (headers.has(LEAVING_HEADER)) requireComplete(node);
  else if (!headers.has(UNCOUNTED_HEADER)) requireCounted(node);
  const questions = decodeReadQuestions(body);
  const isHidden = headers.has(UNCOUNTED_HEADER) ? node.topology().leftovers() : undefined;
  const replies = encodeReadReplies(node.replica.answer(questions, isHidden));
  if (headers.has(DURABLE_HEADER)) await node.store.sync();
  const from = headers.has(LOCATE_HEADER) && questions.length === 1
    ? node.store.locate(DATA, questions[0]!.key)
    : undefined;
  return answer(node, replies, from === undefined ? {} : { [LOCATED_HEADER]: from });
}

async function answerGossip(request: Request, node: Receiver): Promise<Response> {
  const { body } = await receive(request, node);
  return checkedAnswer(node, node.gossipLoop.receive(body));
}

async function answerHashes(request: Request, node: Receiver): Promise<Response> {
  const { from, body } = await receive(request, node);
  const { ring, arcs, fresh } = decodeTreeQuestion(body);
  const hashes = arcs === undefined
    ? await node.antiEntropy.arcHashes(from, ring, fresh)
    : await node.antiEntropy.leafHashes(arcs, ring, fresh);
  return checkedAnswer(node, JSON.stringify(hashes));
}

async function answerList(request: Request, node: Receiver): Promise<Response> {
  const { body } = await receive(request, node);
  const wanted = decodeListRequest(body);
  requireCounted(node);
  const page = listPage(node.store, wanted);
  const headers = page.through === undefined ? {} : { [THROUGH_HEADER]: keyToPath(page.through) };
  return checkedAnswer(node, encodeListPage(page, wanted.values), headers);
}

/** A page of what this node has in some leaves: records, or versions alone. */
async function answerRange(request: Request, node: Receiver): Promise<Response> {
  const { body: asked } = await receive(request, node);
  const wanted = decodeRangeRequest(decoder.decode(asked));
  const topology = node.topology();
  requireRing(wanted.ring, node);
  const isHidden = topology.leftovers();
  const { records, through } = await readRange(node, topology, { ...wanted, isHidden });
  // Not before: it may have lost something while it read.
  requireComplete(node);
  const body = wanted.values ? joinFrames(records) : encoder.encode(
    records.map((record) => encodeReadQuestion({ key: record.key, have: record })).join(""),
  );
  return checkedAnswer(node, body, {
    ...(through === undefined ? {} : { [THROUGH_HEADER]: keyToPath(through) }),
    ...(node.isBusy() ? { [BUSY_HEADER]: "1" } : {}),
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
