import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import {
  decodeListPage,
  decodeListRequest,
  encodeListPage,
  encodeListRequest,
  isPageOf,
  LIST_LIMIT_MAX,
  listedRecord,
  listPage,
} from "../../../src/replication/requests/key_listing.ts";
import { encodeRecord } from "../../../src/record/record_line.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { bytesOf, record } from "../../support/records.ts";

const ALL = { prefix: "", after: undefined, values: false };

async function storeOf(sizes: readonly number[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [i, size] of sizes.entries()) {
    await store.apply([{
      keyspace: DATA,
      record: record(`k${i}`, i + 1, { value: "v".repeat(size) }),
    }]);
  }
  return store;
}

Deno.test("listPage: a page ends with the record that fills it, and the next one goes on behind it", async () => {
  const store = await storeOf([10, 600_000, 600_000, 600_000, 3_000_000, 10]);
  const pages: string[] = [];
  let after: string | undefined;
  do {
    const page = listPage(store, { prefix: "k", after, limit: 1_000, values: true });
    pages.push(page.records.map(({ key }) => key.slice(1)).join(""));
    after = page.through;
  } while (after !== undefined);
  assertEquals(pages, ["012", "34", "5"]);
  const many = await storeOf(Array(140).fill(15_000)); // a step of the scan is no page
  const { records } = listPage(many, { ...ALL, limit: 1_000, values: true });
  assertEquals(records.length, 70);
});

Deno.test("listPage: of a prefix all keys and no others, wherever it is to go on, whatever its last byte is", async () => {
  const store = new MemoryStore();
  const keys = [
    ...["a", "b", "b\xfe", "b\xff", "b\xffz", "bc", "bc\xff\xff", "bc\xff\xff1", "bd", "c"].sort(),
    ...["\xff", "\xff\xff"],
  ];
  await store.apply(
    keys.map((key, i) => ({
      keyspace: DATA,
      record: encodeRecord({ key, value: new Uint8Array(), counter: i + 1, nodeID: "a.1" }),
    })),
  );
  const list = (prefix: string, after?: string) =>
    listPage(store, { prefix, after, limit: 100, values: false }).records.map(({ key }) => key);
  assertEquals(list("b\xff"), ["b\xff", "b\xffz"]);
  assertEquals(list("b\xff", "a"), ["b\xff", "b\xffz"]);
  assertEquals(list("b", "b\xff"), ["b\xffz"]);
  assertEquals(list("bc"), ["bc", "bc\xff\xff", "bc\xff\xff1"]);
  assertEquals(list("bc\xff\xff"), ["bc\xff\xff", "bc\xff\xff1"]);
  assertEquals(list("\xff"), ["\xff", "\xff\xff"]);
  assertEquals(list(""), keys);
});

Deno.test("listPage: as many records as it may have, whatever the steps in which they are read", async () => {
  const store = await storeOf(Array(150).fill(1));
  for (const limit of [1, 63, 64, 65, 130, 149]) {
    const { records, through } = listPage(store, { ...ALL, limit });
    assertEquals([records.length, through], [limit, records.at(-1)!.key]);
  }
  assertEquals(listPage(store, { ...ALL, limit: 151 }).through, undefined);
});

Deno.test("listPage: leaves no scan open, which would keep the files of merged tables", async () => {
  const store = await storeOf([1, 1]);
  let open = 0;
  const scan = store.scan.bind(store);
  store.scan = (...args) => {
    open++;
    const opened = scan(...args);
    return Object.assign(opened, { close: () => void open-- });
  };
  for (const limit of [1, 9]) {
    listPage(store, { prefix: "", after: undefined, limit, values: false });
    assertEquals(open, 0);
  }
});

Deno.test("decodeListPage: what a member tells of keys, with values and without; nothing else", () => {
  const records = [
    record("a", 1),
    record("b", 2, { value: undefined }),
    record("c", 3, { expiresAtMs: 5_000 }),
  ];
  for (const values of [false, true]) {
    const body = encodeListPage({ records, through: undefined }, values);
    assertEquals(decodeListPage(body, values), records.map((one) => listedRecord(one, values)));
  }
  for (
    const line of [
      '{"k":"a","c":1,"n":"a.1"}', // cut off
      '{"c":1,"n":"a.1"}\n',
      '{"k":"a","c":0,"n":"a.1"}\n',
      '{"k":"a","c":1}\n',
      '{"k":"a","c":1,"n":"a.1","x":"soon"}\n',
    ]
  ) {
    assertThrows(() => decodeListPage(bytesOf(line), false), ConvergeError, "Cannot read", line);
  }
});

Deno.test("isPageOf: a page has keys of its prefix only, in order, and goes on", () => {
  const page = (keys: string[], through?: string, after?: string) =>
    isPageOf(
      { prefix: "k", after, limit: 9, values: false },
      keys.map((key) => listedRecord(record(key, 1), false)),
      through,
    );
  assert(page([]) && page(["k"]) && page(["k1", "k2"], "k2") && page(["k3"], "k3", "k2"));
  assert(page([], "k5", "k2"), "nothing of what it covers is there");
  assert(page(["k"], undefined, "a"));
  for (const keys of [["j"], ["k1", "l"], ["k2", "k1"], ["k1", "k1"]]) {
    assertEquals(page(keys), false, `${keys}`);
  }
  assertEquals(page(["k2"], undefined, "k2"), false, "what was there before");
  assertEquals(page([], "k2", "k2"), false, "the same page for ever");
  assertEquals(page([], "k1", "k2"), false);
  assertEquals(page([], "j"), false);
  assertEquals(page(["k1", "k2"], "k1"), false);
});

Deno.test("decodeListRequest: a limit from 1 to the bound, and no other", () => {
  const request = { prefix: "k", after: undefined, values: false };
  const decoded = (limit: number) => decodeListRequest(encodeListRequest({ ...request, limit }));
  for (const limit of [1, LIST_LIMIT_MAX]) assertEquals(decoded(limit), { ...request, limit });
  for (const limit of [0, -1, 1.5, LIST_LIMIT_MAX + 1]) {
    assertThrows(() => decoded(limit), ConvergeError, "Cannot read a list request", `${limit}`);
  }
  for (const members of ['"values":1', '"values":true,"after":{"k":7}']) {
    const odd = bytesOf(`{"prefix":{"k":"a"},"limit":1,${members}}`);
    assertThrows(() => decodeListRequest(odd), ConvergeError, "a member is wrong", members);
  }
});
