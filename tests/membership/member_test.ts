import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { isNewerStatement, isOfUnknownStart, parseMember } from "../../src/membership/member.ts";
import { member } from "../support/members.ts";

Deno.test("isNewerStatement: incarnation first, then heartbeat; the same is not newer", () => {
  const a = member("a", { incarnation: 2, heartbeat: 5 });
  assert(isNewerStatement(a, undefined));
  assert(isNewerStatement(a, member("a", { incarnation: 1, heartbeat: 99 })));
  assert(isNewerStatement(a, member("a", { incarnation: 2, heartbeat: 4 })));
  assert(!isNewerStatement(a, a));
  assert(!isNewerStatement(a, member("a", { incarnation: 3, heartbeat: 0 })));
});

Deno.test("isOfUnknownStart: a later start of that directory, or another one of its number", () => {
  const self = { nodeID: "a.1", starts: 2, startTag: "11111111" };
  assert(isOfUnknownStart({ ...self, starts: 3 }, self));
  assert(isOfUnknownStart({ ...self, startTag: "22222222" }, self));
  assert(!isOfUnknownStart(self, self));
  assert(!isOfUnknownStart({ ...self, starts: 1 }, self));
  assert(!isOfUnknownStart({ ...self, nodeID: "a.2", starts: 3 }, self), "that is another one");
});

Deno.test("parseMember: gives back what was sent, and nothing more", () => {
  const sent = member("a");
  assertEquals(parseMember({ ...JSON.parse(JSON.stringify(sent)), more: 1 }), sent);
  const lives = [{ nodeID: "a.0", starts: 1 }, { nodeID: "a.7", starts: 2, startTag: "11111111" }];
  const replacing = member("a", { replaces: lives, requestMs: 2_000 });
  const json = { ...replacing, replaces: lives.map((life) => ({ ...life, more: 1 })) };
  assertEquals(parseMember(json), replacing);
});

Deno.test("parseMember: an earlier version says nothing of its starts", () => {
  const { starts: _, ...sent } = member("a");
  assertEquals(parseMember(sent), { ...sent, starts: 0 });
});

Deno.test("parseMember: refuses what no node says of itself", () => {
  const good = { ...member("a") };
  const bad: unknown[] = [
    null,
    undefined,
    1,
    [],
    {},
    { ...good, name: 1 },
    { ...good, name: "b" }, // its node ID is of another name
    { ...good, name: "", nodeID: ".1" },
    { ...good, nodeID: "a" },
    { ...good, nodeID: "a b" },
    { ...good, starts: -1 },
    { ...good, starts: "1" },
    { ...good, starts: 2 ** 52 + 1 },
    { ...good, incarnation: -1 },
    { ...good, incarnation: 1.5 },
    { ...good, incarnation: 2 ** 52 + 1 },
    { ...good, heartbeat: "1" },
    { ...good, status: "dead" },
    { ...good, startTag: "1".repeat(9) },
    { ...good, requestMs: "1" },
    { ...good, requestMs: 60_001 }, // no node starts with so much, and one that joins waits so long
    { ...good, replaces: {} },
    { ...good, replaces: [null] },
    { ...good, replaces: [{ nodeID: "a", starts: 1 }] },
    { ...good, replaces: [{ nodeID: "b.0", starts: 1 }] },
    { ...good, replaces: [{ nodeID: "a.0", starts: -1 }] },
    { ...good, replaces: [{ nodeID: "a.0", starts: 1, startTag: "x" }] },
    { ...good, replaces: Array.from({ length: 17 }, (_, i) => ({ nodeID: `a.${i}`, starts: 1 })) },
    { ...good, origin: 1 },
    { ...good, origin: "file:///etc/passwd" },
    { ...good, origin: "http://a:1/path" },
    { ...good, origin: "http://user@a:1" },
  ];
  for (const json of bad) {
    const error = assertThrows(() => parseMember(json), ConvergeError, "", JSON.stringify(json));
    assertEquals(error.code, "corrupt_message");
  }
});
