import { assert, assertEquals } from "@std/assert";
import { ASSETS } from "../../src/dashboard/assets.generated.ts";
import { bundlePage, GENERATED } from "../../src/tasks/bundle_page.ts";

/** What the page may weigh when it is transferred, in bytes. */
const TRANSFERRED_MAX = 150_000;

Deno.test("page: what nodes serve is what `deno task page` makes of the sources", async () => {
  assertEquals(await Deno.readTextFile(GENERATED), await bundlePage());
});

Deno.test("page: weighs little even unpacked, and asks no other host for anything", () => {
  let bytes = 0;
  for (const { path, text } of ASSETS) {
    bytes += new TextEncoder().encode(text).byteLength;
    const hosts = text.replaceAll("http://www.w3.org/", "").match(/https?:\/\/[a-z0-9.]+/g) ?? [];
    assertEquals(hosts, [], path);
  }
  assert(bytes < TRANSFERRED_MAX, `${bytes} bytes`);
});

Deno.test("page: scripts and styles stand in files only", () => {
  const html = ASSETS.find(({ path }) => path === "/")!.text;
  assertEquals(html.match(/<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=/g), null);
});
