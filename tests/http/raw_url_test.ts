import { assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { flagParameter, integerParameter, queryOf, rawPathAfter } from "../../src/http/raw_url.ts";

const KNOWN = ["a", "b", "c d"];

Deno.test("rawPathAfter: what is behind the prefix, as it was sent, without the query", () => {
  const rows: [path: string, rest: string][] = [
    ["/kv/k", "k"],
    ["/kv/", ""],
    ["/kv", ""],
    ["/kv?r=/kv/x", ""],
    ["/kv/%2e%2e/a?b/c", "%2e%2e/a"],
    ["/kv//a#b", "/a#b"],
  ];
  for (const [path, rest] of rows) {
    for (const origin of ["http://n", "http://127.0.0.1:80"]) {
      assertEquals(rawPathAfter(origin + path, "/kv/"), rest, path);
    }
  }
  for (const path of ["/%6bv/k", "/k", "/kvx", "/KV/k"]) {
    assertThrows(() => rawPathAfter(`http://n${path}`, "/kv/"), ConvergeError, "must not be", path);
  }
});

Deno.test("queryOf: names and values as they were meant, or none at all", () => {
  const rows: [query: string, ...pairs: [name: string, value: string][]][] = [
    [""],
    ["?"],
    ["?a=1", ["a", "1"]],
    ["?a=1&b=2", ["a", "1"], ["b", "2"]],
    ["?b&a=1", ["b", ""], ["a", "1"]], // the = is that of the second
    ["?&&a=1&", ["a", "1"]],
    ["?a=1=2", ["a", "1=2"]],
    ["?a==", ["a", "="]],
    ["?a=x+y+z", ["a", "x y z"]],
    ["?a=x%2By+z", ["a", "x+y z"]],
    ["?a=%E2%82%AC", ["a", "€"]],
    ["?%61=1&c+d=2", ["a", "1"], ["c d", "2"]],
    ["?a=1?b=2", ["a", "1?b=2"]],
  ];
  for (const [query, ...pairs] of rows) {
    assertEquals([...queryOf(`http://n/kv/k${query}`, KNOWN)], pairs, query);
  }
  for (const query of ["a=1&a=1", "a=1&%61=2", "x=1", "=1", "A=1", "a=%FF", "a=%", "%ff=1"]) {
    assertThrows(() => queryOf(`http://n/kv/k?${query}`, KNOWN), ConvergeError, "Cannot", query);
  }
});

Deno.test("integerParameter: decimal digits, as many as a number holds exactly", () => {
  const of = (text: string) => integerParameter(new Map([["n", text]]), "n");
  assertEquals(integerParameter(new Map(), "n"), undefined);
  for (const [text, number] of [["0", 0], ["007", 7], ["9".repeat(15), 999_999_999_999_999]]) {
    assertEquals(of(String(text)), number);
  }
  for (const text of ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1\n", "٣", "9".repeat(16)]) {
    assertThrows(() => of(text), ConvergeError, "must be decimal digits", text);
  }
});

Deno.test("flagParameter: 1 is on, 0 and absent are off, and nothing else is guessed", () => {
  const of = (text: string) => flagParameter(new Map([["f", text]]), "f");
  assertEquals([flagParameter(new Map(), "f"), of("0"), of("1")], [false, false, true]);
  for (const text of ["", "2", "true", "01", "1 "]) {
    assertThrows(() => of(text), ConvergeError, "must be 0 or 1", text);
  }
});
