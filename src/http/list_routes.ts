/** `GET /kv?prefix=` lists keys, `DELETE /kv?prefix=` deletes them. */
import { Buffer } from "node:buffer";
import type { Hono } from "hono";
import { ConvergeError } from "../errors.ts";
import { type Key, keyFromBytes, keyFromText, keyToJson, keyToText } from "../record/key.ts";
import { lineOf } from "../record/frame.ts";
import type { Coordinator } from "../replication/requests/coordinator.ts";
import { LIST_LIMIT_MAX, type ListedKey } from "../replication/requests/key_listing.ts";
import type { Lister } from "../replication/requests/lister.ts";
import { refuseConditions } from "./conditions.ts";
import { methodNotAllowed } from "./problem.ts";
import { flagParameter, integerParameter, queryOf } from "./raw_url.ts";

/** What the routes use of their node. */
export interface ListRoutesOptions {
  lister: Lister;
  coordinator: Coordinator;
}

const DEFAULT_LIMIT = 100;
const decoder = new TextDecoder();

/** Adds the routes. */
export function listRoutes(app: Hono, options: ListRoutesOptions): void {
  app.get("/kv", ({ req }) => list(req.raw.url, options));
  app.delete("/kv", ({ req }) => removeAll(req.raw, options));
  app.all("/kv", ({ req }) => methodNotAllowed(req.method, "GET, HEAD, DELETE"));
}

async function list(url: string, { lister }: ListRoutesOptions): Promise<Response> {
  const query = queryOf(url, ["prefix", "prefixb", "after", "afterb", "limit", "values"]);
  const limit = integerParameter(query, "limit") ?? DEFAULT_LIMIT;
  if (limit < 1 || limit > LIST_LIMIT_MAX) {
    throw new ConvergeError(
      "bad_request",
      `Cannot use limit=${limit}: it must be from 1 to ${LIST_LIMIT_MAX}`,
    );
  }
  const values = flagParameter(query, "values");
  const { entries, next } = await lister.list({
    prefix: keyParameter(query, "prefix") ?? "",
    after: keyParameter(query, "after"),
    limit,
    values,
  });
  return Response.json({
    keys: entries.map((entry) => values ? valueJson(entry) : keyToJson(entry.key)),
    ...(next === undefined ? {} : cursorJson(next)),
  });
}

async function removeAll(
  { url, headers }: Request,
  { lister, coordinator }: ListRoutesOptions,
): Promise<Response> {
  const query = queryOf(url, ["prefix", "prefixb", "all", "dry-run"]);
  refuseConditions(headers);
  const dryRun = flagParameter(query, "dry-run");
  const prefix = prefixToDelete(query, dryRun);
  let matched = 0;
  let deleted = 0;
  let after: Key | undefined;
  try {
    do {
      // What has expired by this node's clock others may still show: it is deleted like any other.
      const expired = !dryRun;
      const page = await lister.list({
        prefix,
        after,
        limit: LIST_LIMIT_MAX,
        values: false,
        expired,
      });
      matched += page.entries.length;
      if (!dryRun) {
        const results = await Promise.allSettled(
          page.entries.map(({ key }) => coordinator.write(key, undefined)),
        );
        deleted += results.filter(({ status }) => status === "fulfilled").length;
        const failed = results.find((result) => result.status === "rejected");
        if (failed !== undefined) throw failed.reason;
      }
      after = page.next;
    } while (after !== undefined);
  } catch (error) {
    throw dryRun || matched === 0 ? error : partlyDeleted(error, matched, deleted);
  }
  return Response.json(dryRun ? { dryRun, matched } : { dryRun, matched, deleted });
}

/**
 * An empty prefix is that of every key: seldom what is meant, and often what a script is left with.
 *
 * @throws {ConvergeError} `bad_request`.
 */
function prefixToDelete(query: Map<string, string>, dryRun: boolean): Key {
  const prefix = keyParameter(query, "prefix");
  const all = flagParameter(query, "all");
  if (all) {
    if (prefix === undefined || prefix === "") return "";
    throw new ConvergeError("bad_request", "Cannot delete all keys, and those with a prefix");
  }
  if (prefix === undefined || (prefix === "" && !dryRun)) {
    throw new ConvergeError(
      "bad_request",
      "Cannot delete without a prefix: name one, or say all=1 to delete every key",
    );
  }
  return prefix;
}

function partlyDeleted(cause: unknown, matched: number, deleted: number): ConvergeError {
  const { code, message } = cause instanceof ConvergeError
    ? cause
    : { code: "invariant" as const, message: "an unexpected error, see the node's log" };
  return new ConvergeError(code, `Cannot delete all, but ${deleted} were deleted: ${message}`, {
    cause,
    details: { matched, deleted },
  });
}

/** A key in the query: `name` as text, or `<name>b` as base64 for bytes that are not UTF-8. */
function keyParameter(query: Map<string, string>, name: string): Key | undefined {
  const text = query.get(name);
  const base64 = query.get(`${name}b`);
  if (text !== undefined && base64 !== undefined) {
    throw new ConvergeError("bad_request", `Cannot use both ${name} and ${name}b`);
  }
  if (base64 === undefined) return text === undefined ? undefined : keyFromText(text);
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64) {
    throw new ConvergeError("bad_request", `Cannot use ${name}b: it is not base64`);
  }
  return keyFromBytes(bytes);
}

/** A cursor is a key, named like the parameter that it is for. */
function cursorJson(key: Key): { next: string } | { nextb: string } {
  const text = keyToText(key);
  return text === undefined
    ? { nextb: Buffer.from(key, "latin1").toString("base64") }
    : { next: text };
}

/** The members of the record line: key, value, content type, version. */
function valueJson(entry: ListedKey): unknown {
  return JSON.parse(decoder.decode(lineOf(entry.record!.frame)));
}
