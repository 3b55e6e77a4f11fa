import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { lineOf } from "../../src/record/frame.ts";
import { encodeRecord } from "../../src/record/record_line.ts";
import { BlockCache } from "../../src/storage/block_cache.ts";
import { RunCursor } from "../../src/storage/run_cursor.ts";
import { TableReader } from "../../src/storage/sstable_reader.ts";
import { TableWriter } from "../../src/storage/sstable_writer.ts";
import { TableFiles } from "../../src/storage/table_files.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";
import { watchSyncs } from "./watched_syncs.ts";

const MIB = 1024 * 1024;

Deno.test("TableWriter.pace(): a large table is synced every few MiB, whatever the length of its lines", async () => {
  for (const [valueBytes, lines] of [[10_000, 1_600], [300_000, 54]] as const) {
    const subject = new VirtualStore();
    const disk = subject.device.mount();
    disk.makeDirectory(DIRECTORY);
    const syncs = watchSyncs(disk);
    const writer = new TableWriter({ disk, directory: DIRECTORY, number: 1, keyspace: "data" });
    const value = new Uint8Array(valueBytes).fill(97);
    for (let i = 0; i < lines; i++) {
      const key = `key${1_000 + i}`;
      const bytes = lineOf(encodeRecord({ key, value, counter: 1, nodeID: "n.1" }).frame);
      writer.add(key, { bytes, start: 0, end: bytes.byteLength });
      await writer.pace();
    }
    await writer.finish();
    assertEquals(syncs.unsynced, 0);
    assert(syncs.most <= 5 * MIB, `${syncs.most} bytes in one sync`);
    assert(syncs.count <= 6, `${syncs.count} syncs`);
  }
});

Deno.test("TableWriter.pace(): fails where the device does not take what has gathered", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  disk.makeDirectory(DIRECTORY);
  const writer = new TableWriter({ disk, directory: DIRECTORY, number: 1, keyspace: "data" });
  const value = new Uint8Array(5 * MIB).fill(97);
  const bytes = lineOf(encodeRecord({ key: "k", value, counter: 1, nodeID: "n.1" }).frame);
  writer.add("k", { bytes, start: 0, end: bytes.byteLength });
  subject.device.faults.errorRate.sync = 1;
  await assertRejects(() => writer.pace(), ConvergeError);
  writer.abandon();
});

Deno.test("TableWriter: lines of any length come back in order, around the length of what is written at once", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  disk.makeDirectory(DIRECTORY);
  const writer = new TableWriter({ disk, directory: DIRECTORY, number: 1, keyspace: "data" });
  const lengths = [10, 5_000, 131_000, 131_030, 131_072, 200, 140_000, 3, 90_000, 60_000, 1];
  for (const [i, length] of lengths.entries()) {
    const value = new Uint8Array(length).fill(97);
    const bytes = lineOf(
      encodeRecord({ key: `k${10 + i}`, value, counter: 1, nodeID: "n.1" }).frame,
    );
    writer.add(`k${10 + i}`, { bytes, start: 0, end: bytes.byteLength });
  }
  const { index: _, ...written } = await writer.finish();
  assertEquals(subject.size(`${DIRECTORY}/000001.sst`), written.bytes);
  const table = new TableReader({
    ...written,
    files: new TableFiles(disk),
    directory: DIRECTORY,
    cache: new BlockCache(0),
  });
  const found: number[] = [];
  const cursor = new RunCursor([table], "", undefined);
  for (; cursor.key !== undefined; cursor.next()) {
    const line = cursor.bytes.subarray(cursor.start, cursor.end);
    found.push(JSON.parse(new TextDecoder().decode(line)).v.length);
  }
  assertEquals(found, lengths);
});

Deno.test("TableWriter: what the index says of long keys is a small part of a table", async () => {
  const subject = new VirtualStore();
  const disk = subject.device.mount();
  disk.makeDirectory(DIRECTORY);
  const writer = new TableWriter({ disk, directory: DIRECTORY, number: 1, keyspace: "data" });
  const value = new Uint8Array(10).fill(97);
  for (let i = 0; i < 100; i++) {
    const key = `${"p".repeat(2_000)}${100 + i}`;
    const bytes = lineOf(encodeRecord({ key, value, counter: 1, nodeID: "n.1" }).frame);
    writer.add(key, { bytes, start: 0, end: bytes.byteLength });
  }
  const lineBytes = writer.bytes;
  const { bytes } = await writer.finish();
  assert(bytes < 1.2 * lineBytes, `${bytes} bytes for ${lineBytes} of lines`);
});
