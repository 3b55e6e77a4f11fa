/** How a client understands what it is answered. */
import type { NetworkResponse } from "../../platform/network.ts";
import { type Key, keyFromJson } from "../../record/key.ts";
import { compareVersions, parseVersion, type Version } from "../../record/version.ts";
import type { Ending, Operation } from "../evidence/history.ts";

type Json = Record<string, unknown>;

/** What a client has of a key. */
export interface KnownValue {
  readonly value: string;
  readonly version: Version;
}

/**
 * The ending of a request for one key.
 *
 * @param has What the client has of the key, where a read said so.
 */
export function endingOf(
  kind: Operation["kind"],
  response: NetworkResponse,
  has?: KnownValue,
): Ending {
  const { status } = response;
  const version = versionOf(response);
  const known = version === undefined ? {} : { version };
  if (kind === "get") {
    if (status === 200) return { outcome: "acked", status, found: textOf(response), ...known };
    if (status === 404) return { outcome: "acked", status, found: null, ...known };
    if (status === 304) return { outcome: "acked", status, found: knownBy(has, version), ...known };
    return { outcome: "failed", status, reason: reasonOf(response) };
  }
  if (status === 204) return { outcome: "acked", status, ...known };
  return {
    outcome: isCertain(response) ? "failed" : "indeterminate",
    status,
    reason: reasonOf(response),
    ...mayBeOn(jsonOf(response)),
  };
}

function jsonOf(response: NetworkResponse): Json {
  try {
    return JSON.parse(textOf(response));
  } catch {
    return {};
  }
}

/** Where a problem document says that the value of a write may be. */
function mayBeOn({ mayBeOn: owners, version }: Json): Pick<Ending, "mayBeOn"> {
  if (!Array.isArray(owners)) return {};
  const tried = typeof version === "string" ? parseVersion(version) : undefined;
  return { mayBeOn: { owners, ...(tried === undefined ? {} : { version: tried }) } };
}

/** What "not modified" means. @throws {Error} For a client that has something else, or nothing. */
function knownBy(has: KnownValue | undefined, version: Version | undefined): string {
  if (has === undefined || version === undefined || compareVersions(has.version, version) !== 0) {
    throw new Error(
      `Cannot go on with ${JSON.stringify(has)}: ${JSON.stringify(version)} is there`,
    );
  }
  return has.value;
}

/** Whether a refusal says that nothing was or will be stored. */
function isCertain(response: NetworkResponse): boolean {
  if (response.status < 500) return true;
  return jsonOf(response).indeterminate === false;
}

/** The endings of a batch's operations, in order, where the batch as a whole was answered. */
export function batchEndings(
  kinds: readonly Operation["kind"][],
  response: NetworkResponse,
): Ending[] {
  const lines = textOf(response).split("\n").filter((line) => line !== "");
  if (lines.length !== kinds.length) {
    throw new Error(`Cannot read a batch of ${kinds.length}: it has ${lines.length} answers`);
  }
  return lines.map((line, i) => lineEnding(kinds[i]!, JSON.parse(line)));
}

function lineEnding(kind: Operation["kind"], line: Json): Ending {
  const status = Number(line.status);
  const version = typeof line.etag === "string" ? versionOfTag(line.etag) : undefined;
  const known = version === undefined ? {} : { version };
  if (kind === "get") {
    if (status === 200) return { outcome: "acked", status, found: String(line.v), ...known };
    if (status === 404) return { outcome: "acked", status, found: null };
    return { outcome: "failed", status, reason: String(line.type) };
  }
  if (status === 204) return { outcome: "acked", status, ...known };
  const certain = status < 500 || line.indeterminate === false;
  return {
    outcome: certain ? "failed" : "indeterminate",
    status,
    reason: String(line.type),
    ...mayBeOn(line),
  };
}

/** What a listing with values says. */
export interface Listed {
  readonly found: ReadonlyMap<Key, { readonly value: string; readonly version: Version }>;
  /** The listing says nothing of keys behind this one; undefined: it says all. */
  readonly through: Key | undefined;
}

/** Reads a listing. @throws {Error} When it is not in order. */
export function listedOf(response: NetworkResponse): Listed {
  const { keys, next, nextb } = JSON.parse(textOf(response));
  const found = new Map<Key, { value: string; version: Version }>();
  let last: Key | undefined;
  for (const { v, c, n, ...named } of keys) {
    const key = keyFromJson(named)!;
    if (last !== undefined && last >= key) throw new Error(`Cannot list ${key} after ${last}`);
    last = key;
    found.set(key, { value: v, version: { counter: c, nodeID: n } });
  }
  const through = next === undefined && nextb === undefined
    ? undefined
    : keyFromJson({ k: next, kb: nextb });
  return { found, through };
}

function versionOf(response: NetworkResponse): Version | undefined {
  const tag = response.headers.get("etag");
  return tag === null ? undefined : versionOfTag(tag);
}

function versionOfTag(tag: string): Version | undefined {
  return parseVersion(tag.replace(/^W\//, "").replaceAll('"', ""));
}

/** Why it was refused, for people. */
export function reasonOf(response: NetworkResponse): string {
  try {
    const { type, title, indeterminate } = JSON.parse(textOf(response));
    return [type ?? title, indeterminate === undefined ? "" : `indeterminate=${indeterminate}`]
      .join(" ").trim();
  } catch {
    return `status ${response.status}`;
  }
}

/** The body as text. */
export function textOf(response: NetworkResponse): string {
  return new TextDecoder().decode(response.body);
}
