import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { difference } from "../../src/replication/key_exchange.ts";
import { compareVersions, type Version } from "../../src/record/version.ts";
import { key, version } from "../support/arbitraries.ts";

type Entry = Version & { key: string };

const side: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(fc.tuple(key, version), { selector: ([k]) => k, maxLength: 12 })
  .map((entries) =>
    entries.map(([k, v]) => ({ key: k, ...v })).sort((a, b) => a.key < b.key ? -1 : 1)
  );

Deno.test("difference: exactly what each side has newer, in order of keys", () => {
  fc.assert(fc.property(side, side, (mine, theirs) => {
    const { missing, surplus } = difference(mine, theirs);
    const newer = (a: Entry[], b: Entry[]) =>
      a.filter((one) => {
        const other = b.find(({ key }) => key === one.key);
        return other === undefined || compareVersions(one, other) > 0;
      });
    assertEquals(missing, newer(theirs, mine));
    assertEquals(surplus, newer(mine, theirs));
  }));
});

Deno.test("difference: keys of bytes above ASCII are merged in byte order, not in text order", () => {
  const entry = (key: string): Entry => ({ key, counter: 1, nodeID: "a.1" });
  const astral = entry("\xf0\x9f\x98\x80"); // U+1F600 in UTF-8
  const bmp = entry("\xef\xbf\xbd"); // U+FFFD: after it in UTF-16, before it in bytes
  assertEquals(difference([bmp, astral], [astral]), { missing: [], surplus: [bmp] });
  assertEquals(difference([astral], [bmp, astral]), { missing: [bmp], surplus: [] });
});
