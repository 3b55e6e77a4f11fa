/** Who a node is, by what its directory says and others tell. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DEFAULTS, type NodeConfig } from "../../../src/config.ts";
import { ConvergeError } from "../../../src/errors.ts";
import type { Removal } from "../../../src/membership/removal.ts";
import {
  type Identity,
  isOldCopy,
  openIdentity,
  requireMember,
  savedIdentity,
  selfMember,
} from "../../../src/replication/gossip/identity.ts";
import { MEMBERSHIP_DOCUMENT } from "../../../src/replication/gossip/membership_document.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { SeededRandom } from "../../../src/simulation/virtual/random_streams.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { ForgetfulStore } from "../../support/forgetful_store.ts";
import { member, originOf, removal } from "../../support/members.ts";

const CONFIG: NodeConfig = {
  ...DEFAULTS,
  name: "a",
  advertise: originOf("a"),
  peers: [],
  dataDirectory: "directory",
};

const random = new SeededRandom(1, "identity");

/** Starts the node on a directory. */
function open(
  state: LocalState,
  { config = {}, isAnotherLife = false, members = 1 }: {
    config?: Partial<NodeConfig>;
    isAnotherLife?: boolean;
    members?: number;
  } = {},
): Promise<Identity> {
  return openIdentity({ state, config: { ...CONFIG, ...config }, random, isAnotherLife, members });
}

Deno.test("openIdentity(): one life from start to start, each start another", async () => {
  const store = new MemoryStore();
  const first = await open(new LocalState(store));
  assertEquals([first.starts, first.nodeID], [1, `a.${first.startTag}`]);
  assertEquals(savedIdentity(new LocalState(store))?.nodeID, first.nodeID, "it is on disk");
  const second = await open(new LocalState(store));
  assertEquals([second.starts, second.nodeID], [2, first.nodeID]);
  assert(second.startTag !== first.startTag);
  assertEquals(second.formerIDs, undefined);
});

Deno.test("openIdentity(): after a loss it is another life, that knows the last ones", async () => {
  const state = new LocalState(new MemoryStore());
  const lives: string[] = [];
  for (let i = 0; i < 20; i++) {
    const { nodeID, starts, formerIDs } = await open(state, { isAnotherLife: i > 0 });
    assert(!lives.includes(nodeID));
    assertEquals([starts, formerIDs ?? []], [i + 1, lives.slice(-16)]);
    lives.push(nodeID);
  }
  assertEquals((await open(state)).formerIDs, lives.slice(-17, -1));
});

Deno.test("openIdentity(): refuses the directory of another name, and other owners than those of its data", async () => {
  const state = new LocalState(new MemoryStore());
  const { nodeID } = await open(state);
  const refusals = [
    { code: "wrong_data", options: { config: { name: "b" } } },
    { code: "bad_config", options: { config: { replication: 5 }, members: 4 } },
    { code: "bad_config", options: { config: { replication: 2 }, members: 3 } },
    { code: "bad_config", options: { config: { virtualNodes: 7 }, members: 4 } },
  ];
  for (const { code, options } of refusals) {
    const error = await assertRejects(() => open(state, options), ConvergeError);
    assertEquals(error.code, code);
  }
  assertEquals(savedIdentity(state)?.starts, 1, "that was no start");
  assertEquals((await open(state, { config: { virtualNodes: 7 }, members: 3 })).nodeID, nodeID);
});

Deno.test("isOldCopy(): others tell of a later start, or of a life that took its place", async () => {
  const state = new LocalState(new MemoryStore());
  assert(!isOldCopy(state, [member("a", { starts: 9 })]), "a new directory is a copy of nothing");
  const { nodeID, starts, startTag } = await open(state);
  const self = member("a", { nodeID, starts, ...(startTag === undefined ? {} : { startTag }) });
  const replacing = member("a", {
    nodeID: "a.2",
    replaces: [{ nodeID, starts, startTag: "0".repeat(8) }],
  });
  const expected = [
    [self, false],
    [{ ...self, starts: starts + 1 }, true],
    [{ ...self, startTag: "00000000" }, true],
    [replacing, true],
    [{ ...replacing, replaces: [] }, false],
    [member("b", { starts: 9, nodeID: "b.1" }), false],
  ] as const;
  for (const [heard, isOld] of expected) assertEquals(isOldCopy(state, [heard]), isOld);
});

Deno.test("requireMember(): refuses a life that is removed, or a former one, and keeps what others say", async () => {
  const store = new ForgetfulStore();
  const state = new LocalState(store);
  await open(state);
  const { nodeID, formerIDs } = await open(state, { isAnotherLife: true });
  const other = removal("x", { ended: true });
  await state.write(MEMBERSHIP_DOCUMENT, { self: member("a"), members: [], removed: [other] });
  const heed = (heard: Removal[]) => requireMember(state, CONFIG, heard);
  await heed([]);
  await heed([removal("a", { nodeID })]); // it still gives what it has
  await heed([removal("a", { nodeID: "a.0", ended: true })]);
  for (const life of [nodeID, formerIDs![0]!]) {
    for (const how of [{ dead: true }, { ended: true }]) {
      store.isFull = true; // what others say is not kept
      const own = removal("a", { nodeID: life, ...how });
      const error = await assertRejects(() => heed([own]), ConvergeError);
      assertEquals(error.code, "removed");
      store.isFull = false;
      await heed([]);
    }
  }
  const own = removal("a", { nodeID, ended: true });
  await assertRejects(() => heed([own]), ConvergeError);
  const again = new LocalState(store);
  await assertRejects(() => requireMember(again, CONFIG, []), ConvergeError, "it was removed");
  assertEquals(again.read<{ removed: Removal[] }>(MEMBERSHIP_DOCUMENT)?.removed, [other, own]);
});

Deno.test("selfMember(): says more than what it said last, and goes on where it was", () => {
  const identity = { name: "a", nodeID: "a.1", starts: 3, startTag: "11111111" };
  const fresh = selfMember(CONFIG, identity, { self: undefined, stages: {} });
  assertEquals(fresh, {
    ...identity,
    origin: originOf("a"),
    incarnation: 3,
    heartbeat: 0,
    status: "joining",
    requestMs: DEFAULTS.requestTimeoutMs,
  });
  const replaces = [{ nodeID: "a.0", starts: 1 }];
  const before = member("a", { incarnation: 9, heartbeat: 7, status: "refilling", replaces });
  const stages = { "x.1": "known" } as const;
  const back = selfMember(CONFIG, identity, { self: before, stages });
  assertEquals(back, {
    ...fresh,
    incarnation: 10,
    status: "refilling",
    replaces,
    removals: stages,
  });
});
