import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineFeeds } from "../../src/storage/line_feeds.ts";

Deno.test("LineFeeds: the same as a look at every byte, from anywhere, over windows", () => {
  const length = fc.oneof(
    fc.constant(65_536),
    fc.nat(300),
    fc.integer({ min: 65_500, max: 65_600 }),
    fc.nat(200_000),
  );
  fc.assert(
    fc.property(fc.array(length, { maxLength: 6 }), fc.array(fc.nat(100_000)), (lengths, jumps) => {
      const bytes = new Uint8Array(lengths.reduce((sum, n) => sum + n + 1, 5)).fill(0x61);
      let at = -1;
      for (const n of lengths) bytes[at += n + 1] = 10;
      const feeds = new LineFeeds(bytes);
      for (let from = 0; from < bytes.byteLength;) {
        const feed = feeds.next(from);
        assertEquals(feed, bytes.indexOf(10, from));
        assertEquals(feeds.lineEnd(from), feed < 0 ? bytes.byteLength : feed);
        from = feed < 0 ? bytes.byteLength : feed + 1;
      }
      for (const jump of jumps) assertEquals(feeds.next(jump), bytes.indexOf(10, jump), `${jump}`);
      assertEquals(feeds.next(bytes.byteLength), -1);
    }),
    { numRuns: 100 },
  );
});
