import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULTS, sharedOptions } from "../../src/config.ts";
import { ConvergeError } from "../../src/errors.ts";
import { MEMBERS_MAX, parseGossipMessage } from "../../src/membership/gossip_message.ts";
import { member } from "../support/members.ts";

Deno.test("parseGossipMessage: refuses garbage and more members than the bound", () => {
  const members = Array.from({ length: MEMBERS_MAX + 1 }, () => member("m"));
  for (
    const bad of [
      ...[null, 1, {}, { from: "a" }, { from: 1, members: [] }, { from: "a", members }],
      { from: "a", members: [], options: { ...sharedOptions(DEFAULTS), virtualNodes: 1.5 } },
      { from: "a", members: [], options: null },
    ]
  ) {
    const error = assertThrows(() => parseGossipMessage(bad), ConvergeError);
    assertEquals(error.code, "corrupt_message");
  }
});

Deno.test("parseGossipMessage: names are texts, and not many", () => {
  const words = { from: "a", members: [] };
  for (const named of ["b", [1], Array(65).fill("b")]) {
    assertThrows(() => parseGossipMessage({ ...words, named }), ConvergeError, "`named` is wrong");
  }
  for (const settled of ["b", [1], Array(MEMBERS_MAX + 1).fill("b")]) {
    const parse = () => parseGossipMessage({ ...words, settled });
    assertThrows(parse, ConvergeError, "`settled` is wrong");
  }
  const { named, settled } = parseGossipMessage({ ...words, named: ["b"], settled: ["c"] });
  assertEquals([named, settled], [["b"], ["c"]]);
});

Deno.test("parseGossipMessage: seeds are origins, and not many", () => {
  const words = { from: "a", members: [] };
  for (const seeds of ["http://a:1", ["nonsense"], [1], Array(65).fill("http://a:1")]) {
    assertThrows(() => parseGossipMessage({ ...words, seeds }), ConvergeError, "`seeds` is wrong");
  }
  assertEquals(parseGossipMessage({ ...words, seeds: ["http://a:1"] }).seeds, ["http://a:1"]);
});
