/**
 * What the routes take and answer, as zod schemas. Each is held to the type that its route really
 * answers with by the compiler (`z.ZodType<...>`), and by a test that calls every route.
 */
import { z } from "@hono/zod-openapi";
import type { Receipt } from "../replication/requests/receipt.ts";
import type { TombstoneReport } from "../replication/convergence/tombstone_collector.ts";
import type { ClusterView, RemovalProgress } from "./cluster_view.ts";
import type { NodeSample } from "./cluster_watch.ts";
import type { CopiesView } from "./copies_routes.ts";
import type { RingView } from "./events_routes.ts";

const text = z.string();
const count = z.number().int().min(0);
const ms = z.number().min(0);

/** A member that may be absent. The document's library takes `exactOptional` for required. */
function optional<T extends z.ZodType>(schema: T): z.ZodExactOptional<T> {
  return schema.optional() as unknown as z.ZodExactOptional<T>;
}

/** A key: text, or base64 where its bytes are not UTF-8. */
const KeySchema = z.union([
  z.object({ k: text }).strict(),
  z.object({ kb: text }).strict(),
]).openapi("Key", { description: "Text where the key's bytes are UTF-8, else base64 of them." });

const quorums = z.object({ n: count, r: count, w: count }).strict().openapi("Quorums");

const ownerReceipt = z.object({
  name: text,
  outcome: text.openapi({
    description: "Of a write: stored; superseded: it has a newer version; refused, overloaded: " +
      "certainly not stored by this attempt; timeout, pending: perhaps. Of a read: found, deleted: it has a " +
      "tombstone; absent, refused, overloaded, timeout, pending, not asked.",
  }),
  version: optional(text),
  ms: optional(ms),
  countsForQuorum: z.boolean(),
  fsynced: optional(z.boolean()),
  from: optional(text),
  repaired: optional(z.boolean()),
  hinted: optional(z.boolean()),
}).strict();

/** What was done for a request (`?explain=1`). */
export const ReceiptSchema: z.ZodType<Receipt> = z.object({
  operation: z.enum(["put", "get", "delete"]),
  key: KeySchema,
  token: text,
  coordinator: text,
  quorums,
  strict: z.boolean(),
  required: count,
  result: text,
  why: text,
  version: optional(text),
  attempts: optional(count),
  ms,
  indeterminate: optional(z.boolean()),
  mayBeOn: optional(z.array(text)),
  owners: z.array(ownerReceipt),
}).strict().openapi("Receipt");

/** A record as it lies in files: `docs/formats.md`. */
export const RecordLineSchema = z.object({
  k: optional(text).openapi({ description: "The key as text." }),
  kb: optional(text).openapi({ description: "The key as base64." }),
  v: optional(text).openapi({ description: "The value as text." }),
  b: optional(text).openapi({ description: "The value as base64." }),
  t: optional(text).openapi({ description: "Its Content-Type." }),
  x: optional(count).openapi({ description: "When it expires, in ms since the epoch." }),
  d: optional(z.literal(1)).openapi({ description: "1: a tombstone." }),
  c: count.openapi({ description: "The version's counter." }),
  n: text.openapi({ description: "The version's node ID." }),
}).strict().openapi("RecordLine");

/** A page of keys. */
export const KeyListSchema = z.object({
  keys: z.array(z.union([KeySchema, RecordLineSchema])).openapi({
    description: "Keys; with `values=1` record lines.",
  }),
  next: optional(text).openapi({ description: "Pass it as `after` for the next page." }),
  nextb: optional(text).openapi({ description: "The same, for `afterb`." }),
}).strict().openapi("KeyList");

/** The answer to a deletion by prefix. */
export const PrefixDeletionSchema = z.object({
  dryRun: z.boolean(),
  matched: count,
  deleted: optional(count),
}).strict().openapi("PrefixDeletion");

/** One answer line of a batch. */
export const BatchLineSchema = z.object({
  status: count.openapi({
    description:
      "204 for a put or delete, 200 or 404 for a get; any other comes with a Problem's members.",
  }),
  etag: optional(text).openapi({ description: "The version that was stored or got." }),
}).loose().openapi("BatchLine", {
  description:
    "Of a get that found something also `k` or `kb`, `v` or `b`, `t`, `x`: a RecordLine's.",
});

/** RFC 9457. */
export const ProblemSchema = z.object({
  type: text,
  title: text,
  status: count,
  detail: text,
}).loose().openapi("Problem");

const liveness = z.enum(["up", "suspect", "down"]);
const status = z.enum(["joining", "refilling", "normal"]);
const refill = z.object({ done: z.array(text), pulled: count, waitsFor: z.array(text) }).strict();
const tombstones = z.object({ tombstones: count, collected: count, unconfirmed: count }).strict();
const requests = z.object({
  writes: count,
  reads: count,
  writesFailed: count,
  readsFailed: count,
  repairs: count,
  inFlight: count,
}).strict();

const removalStage = z.enum(["known", "refilling", "done"]);

/** A removal, and how far it is. */
export const RemovalSchema: z.ZodType<RemovalProgress> = z.object({
  name: text,
  nodeID: text,
  origin: text,
  incarnation: count,
  replaced: optional(z.array(text)),
  dead: z.boolean(),
  ended: z.boolean(),
  stages: z.record(text, removalStage.nullable()),
  leaving: removalStage.nullable(),
}).strict().openapi("Removal");

/** The cluster as a node sees it. */
export const ClusterSchema: z.ZodType<ClusterView> = z.object({
  self: text,
  ready: z.boolean(),
  quorums,
  counter: count,
  members: z.array(
    z.object({
      name: text,
      nodeID: text,
      origin: text,
      starts: count,
      startTag: optional(text),
      incarnation: count,
      heartbeat: count,
      status,
      removals: optional(z.record(text, removalStage)),
      replaces: optional(
        z.array(z.object({ nodeID: text, starts: count, startTag: optional(text) }).strict()),
      ),
      requestMs: optional(ms),
      state: liveness,
      silentMs: ms.nullable(),
      ownership: z.number().min(0).max(1),
    }).strict(),
  ),
  unresolvedSeeds: z.array(text),
  removals: z.array(RemovalSchema),
  refill,
  hints: z.object({
    added: count,
    delivered: count,
    dropped: count,
    waiting: z.record(text, count),
  }).strict(),
  antiEntropy: z.object({
    rounds: count,
    roundsDone: count,
    roundsFailed: count,
    roundsEqual: count,
    roundsPutOff: count,
    lastRoundMs: ms,
    lastTreeMs: ms,
    pulled: count,
    pushed: count,
    compared: count,
  }).strict(),
  tombstones,
  requests,
  storage: z.object({
    approximateKeys: z.record(text, count),
    memtableBytes: count,
    logBytes: count,
    tableCount: count,
    tableBytes: count,
    cacheBytes: count,
    compactionDebtBytes: count,
    flushesTotal: count,
    compactionsTotal: count,
    compactedBytesTotal: count,
    appliedTotal: count,
    syncsTotal: count,
    lastSyncMs: ms,
  }).strict(),
}).strict().openapi("Cluster");

/** Who owns what. */
export const RingSchema: z.ZodType<RingView> = z.object({
  ring: text,
  nodes: z.array(text),
  tokens: z.array(text),
  owners: z.array(count),
}).strict().openapi("Ring");

/** What each owner of a key holds. */
export const CopiesSchema: z.ZodType<CopiesView> = z.object({
  key: KeySchema,
  token: text,
  owners: z.array(
    z.object({
      name: text,
      holds: z.enum(["value", "tombstone", "nothing", "unreachable"]),
      version: optional(text),
      bytes: optional(count),
    }).strict(),
  ),
}).strict().openapi("Copies");

/** Who has confirmed a tombstone. */
export const TombstoneSchema: z.ZodType<
  TombstoneReport & { key: z.infer<typeof KeySchema> }
> = z.object({
  key: KeySchema,
  version: text,
  expired: z.boolean(),
  owners: z.array(z.object({ name: text, confirmed: z.boolean(), has: text }).strict()),
}).strict().openapi("Tombstone");

/** What a node says of itself once a second. */
export const SampleSchema: z.ZodType<NodeSample> = z.object({
  requests,
  latencyCounts: z.array(count),
  keys: count,
  memtableBytes: count,
  diskBytes: count,
  compactionDebtBytes: count,
  compactions: count,
  hintsWaiting: z.record(text, count),
  tombstones,
  refill,
  lagMs: ms,
  hotKeys: z.array(z.object({ path: text, requests: z.number() }).strict()),
}).strict().openapi("Sample");

/** Liveness. */
export const HealthSchema = z.object({ status: z.literal("ok") }).strict().openapi("Health");

/** Readiness. */
export const ReadinessSchema = z.object({ ready: z.boolean(), status }).strict()
  .openapi("Readiness");
