/** `converge export`: every key of a running cluster as JSON lines, which `import` reads again. */
import { type ClientKey, type ClientValue, ConvergeClient } from "../client/client.ts";
import { counted } from "./output/counted.ts";
import { keyJson, keyOfArgument, textOf } from "./keys.ts";
import { withRetries } from "./transfer/retry.ts";
import { printBytes, printError } from "./output/terminal.ts";

/** What `converge export` is told. */
export interface ExportSettings {
  url: string;
  /** As {@linkcode keyOfArgument} reads it. */
  prefix: string;
  /** Gets under way at most. */
  concurrency: number;
}

const PAGE_KEYS = 1_000;
const encoder = new TextEncoder();

/**
 * Writes the keys in byte order. A key that is written or deleted meanwhile is exported as it was
 * or as it became: this is no snapshot.
 *
 * @throws {ClientError} When the cluster does not answer.
 */
export async function runExport({ url, prefix, concurrency }: ExportSettings): Promise<void> {
  const client = new ConvergeClient(url);
  let exported = 0;
  /** The oldest first: lines leave in the order of the keys, however the answers come. */
  const running: Promise<string | undefined>[] = [];
  const flushOldest = async () => {
    const line = await running.shift();
    if (line === undefined) return;
    printBytes(encoder.encode(line));
    exported += 1;
  };
  for await (const key of keysOf(client, keyOfArgument(prefix))) {
    const line = withRetries(() => client.get(key)).then((value) =>
      value === undefined ? undefined : exportLine(key, value)
    );
    line.catch(() => {}); // told when its turn comes
    running.push(line);
    if (running.length >= concurrency) await flushOldest();
  }
  while (running.length > 0) await flushOldest();
  printError(`Exported ${counted(exported, "record")} from ${url}`);
}

/** All keys, in pages; only the first one tells whether there is a node, and is not asked for again. */
async function* keysOf(client: ConvergeClient, prefix: ClientKey): AsyncGenerator<ClientKey> {
  let page = await client.list({ prefix, limit: PAGE_KEYS });
  while (true) {
    yield* page.keys;
    const after = page.next;
    if (after === undefined) return;
    page = await withRetries(() => client.list({ prefix, after, limit: PAGE_KEYS }));
  }
}

/** The line of one key; text where the bytes are UTF-8, else base64. */
export function exportLine(
  key: ClientKey,
  { bytes, contentType, expiresAtMs }: Omit<ClientValue, "version">,
): string {
  const text = textOf(bytes);
  const valuePart = text === undefined ? { b: bytes.toBase64() } : { v: text };
  const typePart = contentType === "application/octet-stream" ? {} : { t: contentType };
  const expiryPart = expiresAtMs === undefined ? {} : { x: expiresAtMs };
  return JSON.stringify({ ...keyJson(key), ...valuePart, ...typePart, ...expiryPart }) + "\n";
}
