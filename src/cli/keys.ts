/** `converge get | put | delete | list`: one key at a time, bytes in and out. */
import { type ClientKey, ConvergeClient } from "../client/client.ts";
import { VALUE_BYTES_MAX } from "../config.ts";
import { CommandError } from "./output/command_error.ts";
import { counted } from "./output/counted.ts";
import { printBytes, printError, printLine, readInput } from "./output/terminal.ts";

/** What keys that are not UTF-8 begin with, for people. */
const BASE64 = "base64:";

/** Control characters, ends of lines, and what turns the direction of the text behind it around. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What each of these commands is told. */
export interface KeySettings {
  /** Nodes of the cluster, the first first. */
  urls: readonly string[];
  json: boolean;
  /** Show the receipt: owners, their answers, who won and why. */
  explain: boolean;
}

/**
 * Writes the value to standard output, byte for byte.
 *
 * @throws {CommandError} When there is no such key.
 */
export async function runGet(argument: string, settings: KeySettings): Promise<void> {
  const key = keyOfArgument(argument);
  const client = new ConvergeClient(settings.urls);
  if (settings.explain) return printJson(await client.explain("GET", key));
  const value = await client.get(key);
  if (value === undefined) {
    throw new CommandError(
      `Cannot find key ${JSON.stringify(argument)}; see which there are: converge list`,
    );
  }
  if (settings.json) {
    const { bytes, contentType, version, expiresAtMs } = value;
    const text = textOf(bytes);
    const shown = text === undefined ? { base64: bytes.toBase64() } : { text };
    const expires = expiresAtMs === undefined ? {} : { expires: new Date(expiresAtMs) };
    const told = { key: argument, version, contentType, ...expires, value: shown };
    return printLine(JSON.stringify(told));
  }
  printBytes(value.bytes);
  if (Deno.stdout.isTerminal() && value.bytes.at(-1) !== 10) printLine("");
}

/** Stores `value`, or standard input where it is undefined or `-`. */
export async function runPut(
  argument: string,
  value: string | undefined,
  settings: KeySettings & { type: string | undefined; ttlSeconds: number | undefined },
): Promise<void> {
  const key = keyOfArgument(argument);
  const client = new ConvergeClient(settings.urls);
  const { ttlSeconds } = settings;
  const fromInput = value === undefined || value === "-";
  const bytes = fromInput ? await readInput(VALUE_BYTES_MAX) : new TextEncoder().encode(value);
  const contentType = settings.type ?? (fromInput ? undefined : "text/plain; charset=utf-8");
  if (settings.explain) {
    return printJson(await client.explain("PUT", key, { bytes, contentType, ttlSeconds }));
  }
  const version = await client.put(key, bytes, { contentType, ttlSeconds });
  printLine(settings.json ? JSON.stringify({ key: argument, version }) : `stored as ${version}`);
}

/** What to remove: one of the two. */
export interface DeleteTarget {
  key: string | undefined;
  prefix: string | undefined;
}

/**
 * Removes a key, or all that begin alike; one that is absent is no error.
 *
 * @throws {CommandError} When not exactly one of the two is named.
 */
export async function runDelete(
  { key: argument, prefix }: DeleteTarget,
  settings: KeySettings,
): Promise<void> {
  if (argument === undefined) return await runDeletePrefix(prefix, settings);
  if (prefix !== undefined) {
    throw new CommandError("Cannot delete a key and a prefix at once", { exitCode: 2 });
  }
  const key = keyOfArgument(argument);
  const client = new ConvergeClient(settings.urls);
  if (settings.explain) return printJson(await client.explain("DELETE", key));
  await client.delete(key);
  printLine(settings.json ? JSON.stringify({ key: argument, deleted: true }) : "deleted");
}

async function runDeletePrefix(prefix: string | undefined, settings: KeySettings): Promise<void> {
  const beginning = keyOfArgument(prefix ?? "");
  if (beginning.length === 0) {
    const why = "Cannot delete nothing: name a key, or with --prefix what all keys begin with";
    throw new CommandError(why, { exitCode: 2 });
  }
  const deleted = await new ConvergeClient(settings.urls).deletePrefix(beginning);
  printLine(
    settings.json ? JSON.stringify({ prefix, deleted }) : `deleted ${counted(deleted, "key")}`,
  );
}

/**
 * Writes the keys that begin with what `argument` names, one per line, in byte order. That there may
 * be more is told beside them: a script that counts or deletes must not take these for all.
 */
export async function runList(
  argument: string,
  settings: Omit<KeySettings, "explain"> & { limit: number },
): Promise<void> {
  const prefix = keyOfArgument(argument);
  const client = new ConvergeClient(settings.urls);
  let left = settings.limit;
  let after: ClientKey | undefined;
  do {
    const page = await client.list({ prefix, after, limit: Math.min(left, 1_000) });
    for (const key of page.keys.slice(0, left)) {
      printLine(settings.json ? JSON.stringify(keyJson(key)) : keyText(key));
    }
    left -= page.keys.length;
    after = page.next;
  } while (after !== undefined && left > 0);
  if (after !== undefined) printError("There may be more keys: raise --limit to see them");
}

/**
 * A key on one line of a terminal, as {@linkcode keyOfArgument} reads it: text as it is; bytes behind
 * `base64:`, and so text that begins like them or that a terminal would obey.
 */
export function keyText(key: ClientKey): string {
  if (typeof key !== "string") return BASE64 + key.toBase64();
  if (!key.startsWith(BASE64) && !UNPRINTABLE.test(key)) return key;
  return BASE64 + new TextEncoder().encode(key).toBase64();
}

/**
 * The key that an argument names: text, or bytes as `base64:…`.
 *
 * @throws {CommandError} When that is no base64.
 */
export function keyOfArgument(argument: string): ClientKey {
  if (!argument.startsWith(BASE64)) return argument;
  try {
    return Uint8Array.fromBase64(argument.slice(BASE64.length));
  } catch (cause) {
    const why =
      `Cannot read key ${JSON.stringify(argument)}: behind ${BASE64} there is no base64; ` +
      `text that begins so is written in base64 itself`;
    throw new CommandError(why, { exitCode: 2, cause });
  }
}

/** A key in JSON: base64 where its bytes are not UTF-8. */
export function keyJson(key: ClientKey): { k: string } | { kb: string } {
  return typeof key === "string" ? { k: key } : { kb: key.toBase64() };
}

/** The text whose UTF-8 these bytes are, byte for byte; undefined where there is none. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, Deno.stdout.isTerminal() ? 2 : undefined));
}
