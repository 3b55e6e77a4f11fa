/** What nodes hold, read from outside: filled before they start, compared when all should be equal. */
import { join } from "@std/path";
import { crc32 } from "node:zlib";
import { DenoClock } from "../../../src/platform/deno/deno_clock.ts";
import { DenoDisk } from "../../../src/platform/deno/deno_disk.ts";
import { keyFromText } from "../../../src/record/key.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { joinFrames } from "../../../src/record/frame.ts";
import { encodeRecord } from "../../../src/record/record_line.ts";
import { LsmStore } from "../../../src/storage/lsm_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { keyName, textOf } from "../cluster/target.ts";
import { VALUE_BYTES } from "../cluster/works.ts";

const BATCH = 1_000;
/** A node that no cluster has: its versions are of before, or planted. */
const ELSEWHERE = "elsewhere.00000001";
const LIST_LIMIT = 1_000;

/** A record as some node elsewhere would have written it. */
export function recordOf(index: number, counter: number): StoredRecord {
  return encodeRecord({
    key: keyFromText(keyName(index)),
    value: new TextEncoder().encode(textOf(VALUE_BYTES)),
    counter,
    nodeID: ELSEWHERE,
  });
}

/**
 * Puts the same keys into all directories, by the engine and before any node runs: in seconds, where
 * requests would take minutes.
 */
export async function fill(directories: readonly string[], keys: number): Promise<void> {
  const [first, ...others] = directories;
  await Deno.mkdir(first!, { recursive: true });
  const store = await LsmStore.open({
    directory: first!,
    clock: new DenoClock(),
    disk: new DenoDisk(),
    durability: { mode: "os" },
  });
  for (let start = 0; start < keys; start += BATCH) {
    const length = Math.min(BATCH, keys - start);
    const records = Array.from({ length }, (_, i) => recordOf(start + i, start + i + 1));
    await store.apply(records.map((record) => ({ keyspace: DATA, record })));
  }
  await store.flush();
  await store.settled();
  await store.close();
  for (const other of others) await copyFiles(first!, other);
}

async function copyFiles(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** Gives records to one node only. */
export async function plant(url: string, records: readonly StoredRecord[]): Promise<void> {
  const body = joinFrames(records);
  const response = await fetch(`${url}/internal/kv`, { method: "POST", body });
  const text = await response.text();
  if (text !== "stored\n".repeat(records.length)) throw new Error(`Cannot plant: ${text}`);
}

/** Number and checksum of all keys and versions that a node holds. */
export async function contentsOf(url: string): Promise<string> {
  let keys = 0;
  let checksum = 0;
  let after: string | undefined;
  while (true) {
    const body = JSON.stringify({
      prefix: { k: "" },
      ...(after === undefined ? {} : { after: { k: after } }),
      limit: LIST_LIMIT,
      values: false,
    });
    const response = await fetch(`${url}/internal/list`, { method: "POST", body });
    const text = await response.text();
    if (!response.ok) throw new Error(`Cannot list ${url}: ${text}`);
    keys += text.split("\n").length - 1;
    checksum = crc32(text, checksum);
    const through = response.headers.get("converge-through");
    if (through === null) return `${keys} keys, checksum ${checksum}`;
    after = decodeURIComponent(through);
  }
}

/** Whether all nodes hold the same versions of the same keys. */
export async function areEqual(urls: readonly string[]): Promise<boolean> {
  const contents = await Promise.all(urls.map(contentsOf));
  return new Set(contents).size === 1;
}
