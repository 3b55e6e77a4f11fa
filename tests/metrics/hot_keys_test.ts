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

Deno.test("HotKeys: a key that becomes hot late is found, and so is its share", () => {
  const keys = new HotKeys();
  for (let i = 0; i < 10_000; i++) ask(keys, `early/${i % 50}`);
  for (let i = 0; i < 20_000; i++) ask(keys, "late");
  const [hottest] = keys.top(1);
  assertEquals(hottest!.path, "late");
  assert(hottest!.requests > 18_000 && hottest!.requests < 22_000, `${hottest!.requests}`);
});

Deno.test("HotKeys.add: an estimate never falls short of what was counted", () => {
  const keys = new HotKeys();
  const counted = new Map<string, number>();
  for (let i = 0; i < 1_000; i++) {
    const path = `k${(i * i) % 317}`;
    keys.add(path, 1);
    counted.set(path, (counted.get(path) ?? 0) + 1);
  }
  for (const { path, requests } of keys.top(1_000)) assert(requests >= counted.get(path)!, path);
});
