/** `converge import`: a file of records into a running cluster, one key per record. */
import { type ClientKey, ConvergeClient } from "../client/client.ts";
import { ClientError } from "../client/client_error.ts";
import { keyPath } from "../client/key_path.ts";
import { TTL_SECONDS_MAX } from "../http/expiry.ts";
import { forEachBounded } from "./transfer/bounded_work.ts";
import { CommandError } from "./output/command_error.ts";
import { counted } from "./output/counted.ts";
import type { ImportEntry } from "./transfer/import_entries.ts";
import { type ImportFormat, openImport } from "./transfer/import_source.ts";
import { keyText } from "./keys.ts";
import { nextStep } from "./output/next_step.ts";
import { startProgress } from "./output/progress.ts";
import { PutBatcher } from "./transfer/put_batcher.ts";
import { withRetries } from "./transfer/retry.ts";
import { printError, printLine } from "./output/terminal.ts";

/** What `converge import` is told. */
export interface ImportSettings {
  /** Nodes of the cluster, the first first. */
  urls: readonly string[];
  /** Print the sum as JSON. */
  json: boolean;
  format: ImportFormat;
  /** Member of each record that holds its key. */
  keyField: string | undefined;
  /** Puts under way at most; one of a large value counts for several. */
  concurrency: number;
}

/** Bytes of values that a put may have without counting for more. */
const PUT_BYTES = 16 * 1024;

/**
 * Puts every record of `path` (`-` = standard input). Running it again is safe: it puts the same.
 *
 * @throws {CommandError | ClientError} At the first record that is malformed or refused for good; those
 * before it are stored by then, and perhaps some behind it.
 */
export async function runImport(path: string, settings: ImportSettings): Promise<void> {
  const client = new ConvergeClient(settings.urls);
  const batcher = new PutBatcher(client);
  const source = await openImport(path, settings);
  const progress = startProgress(source.totalBytes);
  const lastOfKey = new Map<string, Promise<unknown>>();
  let puts = 0;
  let expired = 0;

  const putOnce = async ({ key, bytes, contentType, expiresAtMs }: ImportEntry) => {
    const ttlSeconds = secondsUntil(expiresAtMs);
    if (ttlSeconds === 0) return false;
    await batcher.put(key, bytes, { contentType, ttlSeconds });
    return true;
  };
  const put = async (entry: ImportEntry) => {
    const isPut = await withRetries(() => putOnce(entry)).catch((error) => {
      throw failureOf(entry.key, error);
    });
    if (isPut) puts += 1;
    else expired += 1;
    progress.update(source.readBytes(), counted(puts, "record"));
  };
  // Of two records with one key the later in the file must win, as if they had been put in turn.
  const putInTurn = async (entry: ImportEntry) => {
    const name = keyPath(entry.key); // the same for text and its bytes
    const turn = (lastOfKey.get(name) ?? Promise.resolve()).then(() => put(entry));
    lastOfKey.set(name, turn);
    await turn;
    if (lastOfKey.get(name) === turn) lastOfKey.delete(name);
  };

  try {
    const { concurrency } = settings;
    await forEachBounded(source.entries(), { concurrency, weightOf }, putInTurn);
  } catch (error) {
    throw puts === 0 ? error : afterSome(puts, error);
  } finally {
    progress.stop();
  }
  if (settings.json) printLine(JSON.stringify({ url: client.url, imported: puts, expired }));
  else {
    const left = expired === 0 ? "" : `; the time of ${counted(expired, "record")} is over`;
    printError(`Imported ${counted(puts, "record")} into ${client.url}${left}`);
  }
}

/** How many puts one counts for: of the largest values few lie in memory, here and on the node. */
function weightOf({ bytes }: ImportEntry): number {
  return 1 + Math.floor(bytes.byteLength / PUT_BYTES);
}

/** Whole seconds that a value has left, 0 where its time is over; undefined where it stays. */
function secondsUntil(expiresAtMs: number | undefined): number | undefined {
  if (expiresAtMs === undefined) return undefined;
  const seconds = Math.ceil((expiresAtMs - Date.now()) / 1_000);
  return Math.max(0, Math.min(seconds, TTL_SECONDS_MAX));
}

/** Names the record, which may be one of a million, unless it is the node that is not there. */
function failureOf(key: ClientKey, error: unknown): unknown {
  if (!(error instanceof ClientError) || (error.status === undefined && error.passing)) {
    return error;
  }
  const why = `Cannot import ${JSON.stringify(keyText(key))}: ${error.message}${nextStep(error)}`;
  return new CommandError(why, { cause: error });
}

/** The same failure; it also says that much is done, and need not be taken back. */
function afterSome(puts: number, error: unknown): unknown {
  if (!(error instanceof ClientError || error instanceof CommandError)) return error;
  const next = error instanceof ClientError ? nextStep(error) : "";
  const done = `${counted(puts, "record")} stored so far, and to import them again does no harm`;
  const { exitCode } = error instanceof CommandError ? error : { exitCode: 1 };
  return new CommandError(`${error.message}${next} (${done})`, { exitCode, cause: error });
}
