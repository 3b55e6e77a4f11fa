/** The worked example of docs/formats.md is what the store writes, byte for byte. */
import { assert, assertEquals } from "@std/assert";
import { decodeManifest, encodeManifest } from "../../src/storage/manifest.ts";
import { META } from "../../src/storage/store.ts";
import { put, record } from "./store_conformance.ts";
import { DIRECTORY, VirtualStore } from "./virtual_store.ts";

/** The files of the example: a log with three groups, then the table and the manifest of its flush. */
export async function exampleFiles(): Promise<Record<string, string>> {
  const subject = new VirtualStore();
  const store = await subject.open();
  const nodeID = "node1.4f2a";
  await store.apply([put("greeting", 12, { nodeID, value: "hello" })]);
  await store.apply([
    put("farewell", 13, { nodeID, tombstone: true }),
    { keyspace: META, record: record("reserved", 1, { nodeID, value: "1024" }) },
  ]);
  await store.apply([{ keyspace: META, record: record("reserved", 1, { nodeID }), erase: true }]);
  const read = (name: string) => {
    const path = `${DIRECTORY}/${name}`;
    return new TextDecoder().decode(
      subject.device.mount().openRead(path).readAt(0, subject.size(path)),
    );
  };
  const log = read("000001.log");
  // A reader of its own life: mounting ended the store's.
  subject.device.crash({ power: false });
  const again = await subject.open();
  await again.close();
  const table = subject.paths(".sst")[0]!.split("/")[1]!;
  return { "000001.log": log, [table]: read(table), "manifest.jsonl": read("manifest.jsonl") };
}

Deno.test("docs/formats.md: the worked example is what the store writes", async () => {
  const page = Deno.readTextFileSync(new URL("../../docs/formats.md", import.meta.url));
  for (const [name, text] of Object.entries(await exampleFiles())) {
    const block = page.split(`\`${name}\`:\n\n\`\`\`text\n`)[1]?.split("```\n")[0];
    // Trailing spaces of the padded footer are not kept in the page.
    const trimmed = text.split("\n").map((line) => line.trimEnd()).join("\n");
    assertEquals(block, trimmed, `${name} in docs/formats.md`);
    if (name.endsWith(".sst")) {
      const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
      assert(lines.some(({ k, v }) => k === "greeting" && v === "hello"));
      assertEquals(text.length - text.lastIndexOf('{"converge"'), 192);
    }
  }
});

Deno.test("decodeManifest(): tables of before have no `tail`, and get none when they are named again", async () => {
  const text = (await exampleFiles())["manifest.jsonl"]!;
  const manifest = decodeManifest(new TextEncoder().encode(text));
  assertEquals(manifest.tables.map(({ tail }) => tail), [0x7516ae0a]);
  const tables = manifest.tables.map((table) => ({ ...table, tail: undefined }));
  const before = encodeManifest({ ...manifest, tables });
  assert(!new TextDecoder().decode(before).includes("tail"));
  assertEquals(decodeManifest(before).tables, tables);
});
