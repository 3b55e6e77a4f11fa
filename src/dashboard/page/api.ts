/// <reference lib="dom" />
/** What the page asks of its node. */
import type { CopiesView } from "../../http/copies_routes.ts";
import type { RingView } from "../../http/events_routes.ts";
import type { Receipt } from "../../replication/requests/receipt.ts";
import type { TombstoneReport } from "../../replication/convergence/tombstone_collector.ts";

/** A key in JSON: text, or base64 of its bytes. */
export type JsonKey = { k: string } | { kb: string };

/** A page of keys. */
export interface KeyPage {
  keys: JsonKey[];
  next?: string;
  nextb?: string;
}

/** A value as the page shows it. */
export interface ShownValue {
  text: string;
  contentType: string;
  bytes: number;
}

/** What came of a request for a key. */
export interface Answer {
  ok: boolean;
  /** One sentence, of a problem. */
  problem?: string;
  receipt?: Receipt;
}

const BASE64 = "base64:";
/** What is not seen, or turns the direction of what is: see `keyText` of the command line. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]|^\s|\s$|^\p{C}*$/u;

const SHOWN_BYTES_MAX = 4_096;
const HEX_BYTES_MAX = 512;

/** The percent-encoded path of a key, slashes encoded too: browsers would fold `a/../b`. */
export function pathOf(key: JsonKey): string {
  if ("k" in key) return encodeURIComponent(key.k);
  const bytes = Uint8Array.from(atob(key.kb), (c) => c.charCodeAt(0));
  return Array.from(bytes, (byte) => `%${hexOf(byte)}`).join("");
}

/** The key of a path, the other way around. */
export function keyOfPath(path: string): JsonKey {
  try {
    return { k: decodeURIComponent(path) };
  } catch {
    const bytes = path.replaceAll(
      /%([0-9a-f]{2})/gi,
      (_, hex: string) => String.fromCharCode(parseInt(hex, 16)),
    );
    return { kb: btoa(bytes) };
  }
}

/**
 * A key for the eye, as {@linkcode keyOfLabel} reads it and the command line writes it; here so are also
 * keys that begin or end with a blank, which a page does not show.
 */
export function labelOf(key: JsonKey): string {
  if ("kb" in key) return BASE64 + key.kb;
  if (!key.k.startsWith(BASE64) && !UNSEEN.test(key.k)) return key.k;
  const bytes = new TextEncoder().encode(key.k);
  return BASE64 + btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** The key of a label; undefined where `base64:` is not followed by any. */
export function keyOfLabel(label: string): JsonKey | undefined {
  if (!label.startsWith(BASE64)) return { k: label };
  const kb = label.slice(BASE64.length);
  try {
    const bytes = Uint8Array.from(atob(kb), (c) => c.charCodeAt(0));
    return keyOfPath(Array.from(bytes, (byte) => `%${hexOf(byte)}`).join(""));
  } catch {
    return undefined;
  }
}

/** Carries out one operation on a key and brings its receipt. */
export async function operate(
  method: "PUT" | "GET" | "DELETE",
  key: JsonKey,
  value?: string,
): Promise<Answer> {
  const path = pathOf(key);
  if (path === "." || path === "..") {
    return { ok: false, problem: "No browser can ask for this key; the command line can" };
  }
  const body = method === "PUT" ? value ?? "" : null;
  const headers = body === null ? undefined : { "content-type": typeOf(body) };
  try {
    const response = await fetch(`/kv/${path}?explain=1`, {
      method,
      body,
      ...(headers === undefined ? {} : { headers }),
    });
    const json = await response.json();
    if (response.ok) return { ok: true, receipt: json };
    return {
      ok: false,
      problem: json.detail ?? response.statusText,
      ...(Array.isArray(json.owners) ? { receipt: json } : {}),
    };
  } catch {
    return { ok: false, problem: "The node does not answer" };
  }
}

/** What is typed is text, or a document of JSON: programs go by the type that one is stored with. */
export function typeOf(value: string): string {
  try {
    const json: unknown = JSON.parse(value);
    if (typeof json === "object" && json !== null) return "application/json"; // `5` may be a word
  } catch {
    // no JSON
  }
  return "text/plain; charset=utf-8";
}

/** The value of a key, cut to what can be shown; undefined when there is none. */
export async function valueOf(key: JsonKey): Promise<ShownValue | undefined> {
  // A batch of one: its answer is no error where there is no value.
  const body = JSON.stringify({ op: "get", ...key });
  const response = await fetch("/batch", { method: "POST", body }).catch(() => undefined);
  if (response === undefined || !response.ok) return undefined;
  const { status, v, b, t } = await response.json();
  if (status !== 200) return undefined;
  const bytes = typeof v === "string"
    ? new TextEncoder().encode(v)
    : Uint8Array.from(atob(b), (c) => c.charCodeAt(0));
  return { text: textOf(bytes), contentType: t ?? "", bytes: bytes.byteLength };
}

/** Who owns what. */
export async function ringView(): Promise<RingView> {
  return await (await fetch("/cluster/ring")).json();
}

/** What each owner of a key holds; undefined when the node does not answer. */
export async function copiesOf(key: JsonKey): Promise<CopiesView | undefined> {
  const response = await fetch(`/copies/${pathOf(key)}`).catch(() => undefined);
  return response?.ok ? await response.json() : undefined;
}

/** Keys that begin with a prefix. @throws {Error} with the node's own words. */
export async function listKeys(
  prefix: JsonKey,
  after: { next?: string; nextb?: string },
  limit: number,
): Promise<KeyPage> {
  const query = new URLSearchParams({ limit: String(limit) });
  if ("k" in prefix) query.set("prefix", prefix.k);
  else query.set("prefixb", prefix.kb);
  if (after.next !== undefined) query.set("after", after.next);
  if (after.nextb !== undefined) query.set("afterb", after.nextb);
  const response = await fetch(`/kv?${query}`);
  const json = await response.json();
  if (!response.ok) throw new Error(json.detail);
  return json;
}

/** Who has confirmed a tombstone; undefined where this node has none. */
export async function tombstoneOf(key: JsonKey): Promise<TombstoneReport | undefined> {
  const response = await fetch(`/tombstones/${pathOf(key)}`).catch(() => undefined);
  return response?.ok ? await response.json() : undefined;
}

/** What is shown of a value: its text, or its bytes in hex where it is none; cut where it is long. */
export function textOf(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, SHOWN_BYTES_MAX);
  const isCut = bytes.byteLength > SHOWN_BYTES_MAX;
  try {
    // The cut may go through a character.
    return new TextDecoder("utf-8", { fatal: true }).decode(shown, { stream: isCut }) +
      (isCut ? "…" : "");
  } catch {
    const hex = Array.from(bytes.subarray(0, HEX_BYTES_MAX), hexOf);
    return hex.join(" ") + (bytes.byteLength > HEX_BYTES_MAX ? " …" : "");
  }
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
