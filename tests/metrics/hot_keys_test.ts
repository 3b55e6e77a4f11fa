import { assert, assertEquals } from "@std/assert";
import { HotKeys } from "../../src/metrics/hot_keys.ts";

function ask(keys: HotKeys, path: string): void {
  const weight = keys.nextWeight();
  if (weight > 0) keys.add(path, weight);
}

Deno.test("HotKeys: a few requests are all counted", () => {
  const keys = new HotKeys();
  for (const path of ["a", "b", "a"]) ask(keys, path);
  assertEquals(keys.top(5), [{ path: "a", requests: 2 }, { path: "b", requests: 1 }]);
});

Deno.test("HotKeys: hot keys are found among ten thousand others", () => {
  const keys = new HotKeys();
  for (let i = 0; i < 200_000; i++) {
    ask(keys, i % 5 === 0 ? "hot" : i % 9 === 0 ? "warm" : `cold/${i % 10_000}`);
  }
  assertEquals(keys.top(2).map(({ path }) => path), ["hot", "warm"]);
  assert(keys.top(1_000).length <= 128);
});
