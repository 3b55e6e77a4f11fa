/** `converge export`: every key of a running cluster as JSON lines, which `import` reads again. */
import { type ClientEntry, type ClientKey, ConvergeClient } from "../client/client.ts";
import { counted } from "./output/counted.ts";
import { keyJson, keyOfArgument, textOf } from "./keys.ts";
import { withRetries } from "./transfer/retry.ts";
import { printBytes, printError } from "./output/terminal.ts";

/** What `converge export` is told. */
export interface ExportSettings {
  /** Nodes of the cluster, the first first. */
  urls: readonly string[];
  /** As {@linkcode keyOfArgument} reads it. */
  prefix: string;
}

const PAGE_KEYS = 1_000;
const encoder = new TextEncoder();

/**
 * Writes the keys in byte order. A key that is written or deleted meanwhile is exported as it was
 * or as it became: this is no snapshot.
 *
 * @throws {ClientError} When the cluster does not answer.
 */
export async function runExport({ urls, prefix }: ExportSettings): Promise<void> {
  const client = new ConvergeClient(urls);
  let exported = 0;
  for await (const entries of pagesOf(client, keyOfArgument(prefix))) {
    printBytes(encoder.encode(entries.map(exportLine).join("")));
    exported += entries.length;
  }
  printError(`Exported ${counted(exported, "record")} from ${client.url}`);
}

/** All records; only the first page tells whether there is a node, and is not asked for again. */
async function* pagesOf(client: ConvergeClient, prefix: ClientKey): AsyncGenerator<ClientEntry[]> {
  let page = await client.listEntries({ prefix, limit: PAGE_KEYS });
  while (true) {
    yield page.entries;
    const after = page.next;
    if (after === undefined) return;
    page = await withRetries(() => client.listEntries({ prefix, after, limit: PAGE_KEYS }));
  }
}

/** The line of one key; text where the bytes are UTF-8, else base64. */
export function exportLine(
  { key, bytes, contentType, expiresAtMs }: Omit<ClientEntry, "version">,
): string {
  const text = textOf(bytes);
  const valuePart = text === undefined ? { b: bytes.toBase64() } : { v: text };
  const typePart = contentType === "application/octet-stream" ? {} : { t: contentType };
  const expiryPart = expiresAtMs === undefined ? {} : { x: expiresAtMs };
  return JSON.stringify({ ...keyJson(key), ...valuePart, ...typePart, ...expiryPart }) + "\n";
}
