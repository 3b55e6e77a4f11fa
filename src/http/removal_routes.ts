/** `POST /cluster/removals`: begins the removal of a member. How it goes on: `GET /cluster`. */
import type { Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import type { Gossip } from "../membership/gossip.ts";
import { type Removal, REMOVALS_MAX } from "../membership/removal.ts";
import { stageOf } from "../membership/removal_stage.ts";
import { whyNotRemovable } from "../membership/removal_step.ts";
import type { GossipLoop } from "../replication/gossip/gossip_loop.ts";
import { BodyReader, type BodyReaderOptions } from "./body.ts";
import type { RemovalProgress } from "./cluster_view.ts";
import { refuseCrossOrigin } from "./cross_origin.ts";
import { methodNotAllowed } from "./problem.ts";
import { refuseParameters } from "./raw_url.ts";

/** What the route uses of its node. */
export interface RemovalRoutesOptions extends BodyReaderOptions {
  gossip: Gossip;
  gossipLoop: GossipLoop;
  /** A removal was begun here. */
  onRemovalBegun(): void;
}

const BODY_BYTES_MAX = 4_096;
const decoder = new TextDecoder();

/** Adds the route. */
export function removalRoutes(app: Hono, options: RemovalRoutesOptions): void {
  const bodies = new BodyReader(options, BODY_BYTES_MAX);
  app.post("/cluster/removals", async ({ req }) => {
    refuseCrossOrigin(req.raw);
    refuseParameters(req.raw.url);
    const { name, dead } = wanted(await bodies.read(req.raw));
    const { gossip } = options;
    if (gossip.member(name) !== undefined || removalOf(gossip, name) === undefined) {
      begin(options, name, dead);
      await options.gossipLoop.save();
    }
    return Response.json(progressOf(gossip, removalOf(gossip, name)!), { status: 202 });
  });
  app.all("/cluster/removals", ({ req }) => methodNotAllowed(req.method, "POST"));
}

/** How far removals are that have not ended. */
export function removalsUnderWay(gossip: Gossip): RemovalProgress[] {
  return gossip.pending.map((removal) => progressOf(gossip, removal));
}

/** @throws {ConvergeError} `not_removable`. */
function begin(
  { gossip, clock, onRemovalBegun }: RemovalRoutesOptions,
  name: string,
  dead: boolean,
): void {
  const nowMs = clock.monotonicMs();
  const liveness = gossip.livenessOf(name, nowMs);
  const down = gossip.members.map((member) => member.name)
    .filter((other) => gossip.livenessOf(other, nowMs) === "down");
  const why = whyNotRemovable({ name, dead, liveness, down }, gossip.removalView);
  if (why !== undefined) throw notRemovable(name, why);
  gossip.remove(name, dead);
  if (gossip.pending.every((removal) => removal.name !== name)) {
    throw notRemovable(
      name,
      `${REMOVALS_MAX} were removed before, which is as many as there can be`,
    );
  }
  onRemovalBegun();
}

function notRemovable(name: string, why: string): ConvergeError {
  return new ConvergeError("not_removable", `Cannot remove ${name}: ${why}`);
}

/** The removal of a name that was begun last. */
function removalOf(gossip: Gossip, name: string): Removal | undefined {
  return gossip.removed.findLast((removal) => removal.name === name);
}

function progressOf(gossip: Gossip, removal: Removal): RemovalProgress {
  const { nodeID } = removal;
  const leaving = gossip.leaving.find((member) => member.nodeID === nodeID);
  return {
    ...removal,
    stages: Object.fromEntries(
      gossip.members.map((member) => [member.name, stageOf(member, nodeID) ?? null]),
    ),
    leaving: leaving === undefined ? null : stageOf(leaving, nodeID) ?? null,
  };
}

/** @throws {ConvergeError} `bad_request`. */
function wanted(body: Uint8Array): { name: string; dead: boolean } {
  let json: { name?: unknown; dead?: unknown } | null = null;
  try {
    json = JSON.parse(decoder.decode(body));
  } catch {
    // said below
  }
  const { name, dead = false, ...more } = json ?? {};
  if (typeof name === "string" && typeof dead === "boolean" && Object.keys(more).length === 0) {
    return { name, dead };
  }
  throw new ConvergeError(
    "bad_request",
    'Cannot read it: wanted is {"name":"…","dead":true|false}',
  );
}
