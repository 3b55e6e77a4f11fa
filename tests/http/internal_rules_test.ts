/** What each message between nodes must meet, and what of it is passed on: the routes alone, on a node made up. */
import { assert, assertEquals } from "@std/assert";
import { Hono } from "hono";
import { internalRoutes, type InternalRoutesOptions } from "../../src/http/internal_routes.ts";
import { problemResponse } from "../../src/http/problem.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { joinBytes } from "../../src/record/join_bytes.ts";
import { keyToJson } from "../../src/record/key.ts";
import { bodyChecksum, CHECKSUM_HEADER } from "../../src/replication/peers/body_checksum.ts";
import { MessageAuth } from "../../src/replication/peers/message_auth.ts";
import { tokenOf } from "../../src/ring/token.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { DATA } from "../../src/storage/store.ts";
import { inWorld } from "../support/in_world.ts";
import { removal } from "../support/members.ts";
import { bytesOf, keyOf, record } from "../support/records.ts";
import { rawRequest } from "../support/requests.ts";
import { topologyOf } from "../support/topologies.ts";

const CALM = topologyOf(3);
const REMOVING = topologyOf(4, {
  pending: [removal("node5")],
  settled: ["node1", "node2", "node3", "node4", "node5"],
});
const FRAME = record("k", 1).frame.slice();
const QUESTION = '{"k":"k"}\n';
const RANGE = { owners: ["node2", "node1"], ring: CALM.fingerprint, values: false };
const LIST = { prefix: keyToJson(keyOf("")), limit: 1, values: false };

/** `node1`, which notes what its parts are told. */
function playing(clock: Clock, secret = "") {
  const did: string[] = [];
  const warnings: string[] = [];
  const store = new MemoryStore();
  store.sync = async () => void did.push("sync");
  store.locate = () => "memtable";
  const now = { status: "normal", isLeaving: false, isBusy: false, topology: CALM };
  const options = {
    clock,
    isStopping: () => false,
    nodeID: "node1.1",
    maxValueBytes: 1_000,
    lamport: { current: 7, observe() {} },
    auth: new MessageAuth(secret),
    log: { info() {}, warn: (event: string) => void warnings.push(event), error() {} },
    store,
    replica: {
      horizon: 5,
      apply: async (records: unknown[], fence: number | undefined) => {
        did.push(`apply ${records.length}, fence ${fence}`);
        return records.map(() => "stored");
      },
      collect: async () => void did.push("collect"),
      answer: (questions: unknown[], isHidden: unknown) => {
        did.push(isHidden === undefined ? "answer" : "answer without leftovers");
        return questions.map(() => "absent");
      },
    },
    gossipLoop: { receive: () => "{}" },
    antiEntropy: {
      onMoreHints: (name: string) => void did.push(`more of ${name}`),
      arcHashes: async (...asked: unknown[]) => (did.push(`arcs ${asked}`), {}),
      leafHashes: async (...asked: unknown[]) => (did.push(`leaves ${asked}`), []),
    },
    topology: () => now.topology,
    isBusy: () => now.isBusy,
    status: () => now.status,
    isLeaving: () => now.isLeaving,
    isFromRemoved: (name: string, life: string | undefined) => name === "x" && life !== "x.2",
    onHeard() {},
  } as unknown as InternalRoutesOptions;
  const app = new Hono();
  app.onError(problemResponse);
  internalRoutes(app, options);
  /** The answer's status, its headers, and what the message had this node do. */
  const send = async (
    path: string,
    body: Uint8Array<ArrayBuffer> | string,
    headers: Record<string, string> = {},
  ) => {
    did.length = 0;
    const response = await app.fetch(rawRequest("POST", `/internal/${path}`, { body, headers }));
    const answer = new Uint8Array(await response.arrayBuffer());
    const header = (name: string) => response.headers.get(`converge-${name}`);
    return { status: response.status, header, answer, did: [...did] };
  };
  return { now, store, warnings, send };
}

const OTHER_RING = { "converge-ring": "0123456789abcdef" };
const SAME_RING = { "converge-ring": CALM.fingerprint };
const FROM = { "converge-from": "node2" };
const REFILLING = { status: "refilling" };
const LEAVING = { isLeaving: true };

type Played = Partial<ReturnType<typeof playing>["now"]>;

/** What is sent to a node that is how; what is answered, and what it did. */
const RULES: [Played, string, Record<string, string>, number, string[]][] = [
  [{}, "kv", {}, 200, ["apply 1, fence undefined"]],
  [{}, "kv", { "converge-fence": "9" }, 200, ["apply 1, fence 9"]],
  [{}, "kv", { ...FROM, "converge-hint": "1" }, 200, ["apply 1, fence undefined"]],
  [{}, "kv", { ...FROM, "converge-hint": "more" }, 200, [
    "more of node2",
    "apply 1, fence undefined",
  ]],
  [REFILLING, "kv", {}, 200, ["apply 1, fence undefined"]],
  [REFILLING, "kv", { "converge-hint": "1" }, 503, []],
  [{}, "kv", { "converge-from": "x" }, 421, []],
  [{}, "kv", { "converge-from": "x", "converge-life": "x.2" }, 200, ["apply 1, fence undefined"]],
  [{}, "kv", { "converge-checksum": "0" }, 400, []],
  [{}, "collect", SAME_RING, 200, ["collect"]],
  [{}, "collect", OTHER_RING, 503, []],
  [{}, "read", SAME_RING, 200, ["answer"]],
  [{}, "read", OTHER_RING, 503, []],
  [{}, "read", { "converge-durable": "1" }, 200, ["answer", "sync"]],
  [REFILLING, "read", {}, 503, []],
  [REFILLING, "read", { "converge-uncounted": "1" }, 200, ["answer"]],
  [REFILLING, "read", { "converge-leaving": "1" }, 503, []],
  [LEAVING, "read", {}, 503, []],
  [LEAVING, "read", { "converge-leaving": "1" }, 200, ["answer"]],
  [{ topology: REMOVING }, "read", {}, 200, ["answer"]],
  [{ topology: REMOVING }, "read", { "converge-uncounted": "1" }, 200, [
    "answer without leftovers",
  ]],
  [{}, "list", {}, 200, []],
  [REFILLING, "list", {}, 503, []],
  [LEAVING, "list", {}, 503, []],
  [{}, "range", {}, 200, []],
  [REFILLING, "range", {}, 503, []],
  [LEAVING, "range", {}, 200, []],
];

const BODIES: Record<string, string | Uint8Array<ArrayBuffer>> = {
  kv: FRAME,
  collect: FRAME,
  read: QUESTION,
  list: JSON.stringify(LIST),
  range: JSON.stringify(RANGE),
};

Deno.test("internal routes: what a message must meet, and what it has the node do", () =>
  inWorld(async ({ clock }) => {
    for (const [played, path, headers, status, did] of RULES) {
      const { now, send } = playing(clock);
      Object.assign(now, played);
      const answer = await send(path, BODIES[path]!, headers);
      const what = JSON.stringify([played.topology === undefined ? played : {}, path, headers]);
      assertEquals([answer.status, answer.did], [status, did], what);
    }
  }));

Deno.test("internal routes: every answer has counter and horizon, and a checksum where it is more than records", () =>
  inWorld(async ({ clock }) => {
    const { send } = playing(clock);
    const tree = JSON.stringify({ ring: CALM.fingerprint });
    for (const [path, body] of Object.entries({ ...BODIES, tree, gossip: "{}" })) {
      const { status, header, answer } = await send(path, body);
      assertEquals([status, header("counter"), header("horizon")], [200, "7", "5"], path);
      const isRecords = path === "kv" || path === "collect" || path === "read";
      const expected = isRecords ? null : bodyChecksum(answer)[CHECKSUM_HEADER];
      assertEquals(header("checksum"), expected, path);
    }
  }));

Deno.test("POST /internal/tree: what must be fresh is asked for as such", () =>
  inWorld(async ({ clock }) => {
    const { send } = playing(clock);
    for (const fresh of [true, false]) {
      const question = { ring: "r", fresh };
      const arcs = await send("tree", JSON.stringify(question), FROM);
      assertEquals(arcs.did, [`arcs node2,r,${fresh}`]);
      const leaves = await send("tree", JSON.stringify({ ...question, arcs: [1, 2] }), FROM);
      assertEquals(leaves.did, [`leaves 1,2,r,${fresh}`]);
    }
  }));

Deno.test("POST /internal/read: where the copy is, is said of a single key, to who asks for it", () =>
  inWorld(async ({ clock }) => {
    const { send } = playing(clock);
    const located = async (body: string, headers: Record<string, string>) =>
      (await send("read", body, headers)).header("located");
    const locate = { "converge-locate": "1" };
    assertEquals(await located(QUESTION, locate), "memtable");
    assertEquals(await located(QUESTION + QUESTION, locate), null);
    assertEquals(await located(QUESTION, {}), null);
  }));

Deno.test("pages: say where they end and whether clients wait, show no leftovers, and are none after a loss", () =>
  inWorld(async ({ clock }) => {
    const { now, store, send } = playing(clock);
    const value = "v".repeat(400 * 1024);
    const large = ["a/%", "b", "c"].map((key, i) => record(key, i + 1, { value }));
    await store.apply(large.map((one) => ({ keyspace: DATA, record: one })));
    const page = () => send("range", JSON.stringify({ ...RANGE, ring: now.topology.fingerprint }));
    const first = await page();
    assertEquals([first.header("through"), first.header("busy")], ["b", null]);
    assertEquals((await send("list", JSON.stringify(LIST))).header("through"), "a/%25");
    now.isBusy = true;
    assertEquals((await page()).header("busy"), "1");
    const { scan } = store;
    store.scan = (...range) => {
      now.status = "refilling"; // a damaged table is found
      return scan.apply(store, range);
    };
    assertEquals((await page()).status, 503);
    store.scan = scan;
    Object.assign(now, { status: "normal", topology: REMOVING });
    const records = Array.from({ length: 200 }, (_, i) => record(`k${i}`, 1));
    await store.apply(large.map((one) => ({ keyspace: DATA, record: one, erase: true })));
    await store.apply(records.map((one) => ({ keyspace: DATA, record: one })));
    const shown = new TextDecoder().decode((await page()).answer);
    const leftovers = REMOVING.leftovers()!;
    const owned = records.filter(({ key }) =>
      ["node1", "node2"].every((name) => REMOVING.owns(name, key))
    );
    const hidden = owned.filter(({ key }) => leftovers(tokenOf(key)));
    assert(hidden.length > 0 && hidden.length < owned.length);
    assertEquals(shown.trimEnd().split("\n").length, owned.length - hidden.length);
  }));

Deno.test("internal routes: without this cluster's proof nothing is taken, and a line a minute tells of it", () =>
  inWorld(async ({ clock }) => {
    const { send, warnings } = playing(clock, "a secret");
    for (let i = 0; i < 3; i++) {
      const { status, did } = await send("kv", FRAME);
      assertEquals([status, did], [401, []]);
    }
    assertEquals(warnings, ["message.refused"]);
    const headers = new MessageAuth("a secret").signed("POST", "/internal/kv", {}, FRAME);
    assertEquals((await send("kv", FRAME, headers)).status, 200);
  }));

Deno.test("internal routes: a batch may be longer than the longest value", () =>
  inWorld(async ({ clock }) => {
    const { send } = playing(clock);
    const body = joinBytes(Array.from({ length: 100 }, (_, i) => record(`k${i}`, 1).frame));
    assert(body.byteLength > 1_000);
    assertEquals((await send("kv", body)).did, ["apply 100, fence undefined"]);
    assertEquals((await send("read", bytesOf(QUESTION.repeat(200)))).status, 200);
  }));
