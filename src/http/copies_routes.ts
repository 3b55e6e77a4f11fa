/** `GET /copies/{key}`: what each owner of a key holds right now, asked one by one, without quorum. */
import type { Hono } from "hono";
import { type Key, keyFromPath, keyToJson } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { lineOf } from "../record/frame.ts";
import { formatVersion } from "../record/version.ts";
import { decodeReadReplies, encodeReadQuestion } from "../replication/peers/internal_protocol.ts";
import type { PeerLink } from "../replication/peers/peer_link.ts";
import type { Replica } from "../replication/replica.ts";
import type { Owner } from "../replication/topology/owner.ts";
import type { Topology } from "../replication/topology/topology.ts";
import { formatToken, tokenOf } from "../ring/token.ts";
import { methodNotAllowed } from "./problem.ts";
import { rawPathAfter, refuseParameters } from "./raw_url.ts";

/** One owner's copy. */
export interface OwnerCopy {
  name: string;
  /** What it holds; `unreachable` when it did not answer within a second. */
  holds: "value" | "tombstone" | "nothing" | "unreachable";
  version?: string;
  /** Length of the record's line in bytes. */
  bytes?: number;
}

/** The answer of `GET /copies/{key}`. */
export interface CopiesView {
  key: ReturnType<typeof keyToJson>;
  token: string;
  owners: OwnerCopy[];
}

/** What the route uses of its node. */
export interface CopiesRoutesOptions {
  linkTo(name: string): PeerLink | undefined;
  replica: Replica;
  topology(): Topology;
}

const ANSWER_MS = 1_000;
const encoder = new TextEncoder();

/** Adds the route. */
export function copiesRoutes(app: Hono, options: CopiesRoutesOptions): void {
  app.get("/copies/*", async ({ req }) => {
    const key = keyFromPath(rawPathAfter(req.raw.url, "/copies/"));
    refuseParameters(req.raw.url);
    const owners = options.topology().ownersOf(key);
    const view: CopiesView = {
      key: keyToJson(key),
      token: formatToken(tokenOf(key)),
      owners: await Promise.all(owners.map((owner) => copyOf(owner, key, options))),
    };
    return Response.json(view);
  });
  app.all("/copies/*", ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
}

async function copyOf(owner: Owner, key: Key, options: CopiesRoutesOptions): Promise<OwnerCopy> {
  const { name, isSelf } = owner;
  try {
    if (isSelf) return describe(name, options.replica.get(key));
    const link = options.linkTo(name);
    if (link === undefined) return { name, holds: "unreachable" };
    // Not a path with the key: whoever parses a URL folds keys such as `a/../b`.
    const question = { key, have: undefined };
    const { body } = await link.request("POST", "/internal/read", {
      body: encoder.encode(encodeReadQuestion(question)),
      timeoutMs: ANSWER_MS,
    });
    const [reply] = decodeReadReplies(body, [question]);
    return describe(name, typeof reply === "object" ? reply : undefined);
  } catch {
    return { name, holds: "unreachable" };
  }
}

function describe(name: string, record: StoredRecord | undefined): OwnerCopy {
  if (record === undefined) return { name, holds: "nothing" };
  return {
    name,
    holds: record.tombstone ? "tombstone" : "value",
    version: formatVersion(record),
    bytes: lineOf(record.frame).byteLength,
  };
}
