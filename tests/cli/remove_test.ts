import { assert, assertEquals } from "@std/assert";
import { waitsOf } from "../../src/cli/remove.ts";
import { ConvergeError } from "../../src/errors.ts";
import type { RemovalProgress } from "../../src/http/cluster_view.ts";
import { problemResponse } from "../../src/http/problem.ts";
import { runConverge } from "../cluster/harness.ts";

/** A node `a` that is asked to remove `b`, and what is asked of it. */
async function withRemoval(
  use: (url: string, orders: unknown[]) => Promise<void>,
  { ended = false } = {},
): Promise<void> {
  const of = { name: "b", nodeID: "b.1", origin: "http://b:80", incarnation: 1, dead: false };
  const begun: RemovalProgress = { ...of, ended, stages: { a: null }, leaving: null };
  const view = (removals: RemovalProgress[]) =>
    Response.json({ self: "a", members: [], quorums: {}, storage: {}, removals });
  const steps = [
    () => view([]),
    () => view([begun]),
    () => problemResponse(new ConvergeError("closed", "Cannot answer: it is restarted")),
    () => view([{ ...begun, stages: { a: "known" }, leaving: "known" }]),
    () => view([{ ...begun, name: "c" }]),
  ];
  const orders: unknown[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (ask) => {
      if (ask.method !== "POST") return steps.shift()!();
      orders.push(await ask.json());
      return Response.json(begun, { status: 202 });
    },
  );
  await use(`http://127.0.0.1:${server.addr.port}`, orders);
}

Deno.test("converge remove: waits for the end, and goes on where the node is restarted meanwhile", () =>
  withRemoval(async (url, orders) => {
    const { code, stdout, stderr } = await runConverge(["remove", "b", "--url", url]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.trimEnd().split("\n"), [
      "b: waiting until it is known to a",
      "b: waiting until what it had is taken over by a",
      "b is no member any more",
    ]);
    assertEquals(orders, [{ name: "b", dead: false }]);
  }));

Deno.test("converge remove: waits for nobody where the member was removed before", () =>
  withRemoval(async (url) => {
    const { code, stdout } = await runConverge(["remove", "b", "--url", url]);
    assertEquals([code, stdout], [0, "b is no member any more\n"]);
  }, { ended: true }));

Deno.test("converge remove --json: one document, once it has ended", () =>
  withRemoval(async (url, orders) => {
    const { code, stdout } = await runConverge(["remove", "b", "--dead", "--json", "--url", url]);
    assertEquals([code, JSON.parse(stdout)], [0, { removed: "b" }]);
    assertEquals(orders, [{ name: "b", dead: true }]);
  }));

Deno.test("converge remove: of several nodes one may have yet to hear of it, and one be the member", async () => {
  const of = { name: "b", nodeID: "b.1", origin: "http://b:80", incarnation: 2, dead: false };
  const begun: RemovalProgress = { ...of, ended: false, stages: { a: null }, leaving: null };
  const member = (nodeID: string, incarnation: number) => ({ name: "b", nodeID, incarnation });
  const away = () => problemResponse(new ConvergeError("closed", "Cannot answer: it is restarted"));
  const view = (self: string, members: unknown[], removals: unknown[] = []) => () =>
    Response.json({ self, members, quorums: {}, storage: {}, removals });
  const nodes = {
    a: [view("a", []), () => Response.json(begun, { status: 202 }), away, away, away],
    b: [view("b", [])],
    c: [
      view("c", [member("b.0", 1)]),
      view("c", [member("b.1", 2)], [begun]),
      view("c", [member("b.2", 3)]),
    ],
  };
  const serve = (steps: (() => Response)[]) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => (steps.shift() ?? away)());
  await using a = serve(nodes.a);
  await using b = serve(nodes.b);
  await using c = serve(nodes.c);
  const urls = [b, a, c].map(({ addr }) => `http://127.0.0.1:${addr.port}`).join();
  const { code, stdout, stderr } = await runConverge(["remove", "b", "--url", urls]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.trimEnd().split("\n"), [
    "b: waiting until it is known to a",
    "b: waiting until c hears of it",
    "b: waiting until it is known to a",
    "b is no member any more",
  ]);
  assertEquals(nodes.c, []);
});

Deno.test("converge remove --dead: the member itself, which may be cut off, is not waited for", async () => {
  const of = { name: "b", nodeID: "b.1", origin: "http://b:80", incarnation: 2, dead: true };
  const begun: RemovalProgress = { ...of, ended: false, stages: { a: null }, leaving: null };
  const view = (self: string, members: unknown[]) => () =>
    Response.json({ self, members, quorums: {}, storage: {}, removals: [] });
  const away = () => problemResponse(new ConvergeError("closed", "Cannot answer: it is restarted"));
  const itself = view("b", [{ name: "b", nodeID: "b.1", incarnation: 2 }]);
  const serve = (...steps: (() => Response)[]) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => (steps.shift() ?? away)());
  await using a = serve(view("a", []), () => Response.json(begun, { status: 202 }));
  await using b = serve(itself, itself, itself);
  await using c = serve(view("c", []));
  const urls = [a, b, c].map(({ addr }) => `http://127.0.0.1:${addr.port}`).join();
  const { code, stdout } = await runConverge(["remove", "b", "--dead", "--url", urls]);
  assertEquals([code, stdout.trimEnd().split("\n")], [0, [
    "b: waiting until it is known to a",
    "b is no member any more",
  ]]);
});

Deno.test("converge remove: no node is asked to remove itself", () =>
  withRemoval(async (url, orders) => {
    const { code, stderr } = await runConverge(["remove", "a", "--url", url]);
    assertEquals([code, orders], [1, []]);
    assert(stderr.includes("another node with --url"), stderr);
  }));

Deno.test("converge remove: says for whom it waits, and what to do where that may be in vain", () => {
  const origin = "http://node4:80";
  const of = { name: "node4", nodeID: "node4.1", origin, incarnation: 1 };
  const removal = { ...of, dead: false, ended: false, leaving: null };
  const waits = (stages: Parameters<typeof waitsOf>[0]["stages"], more = {}) =>
    waitsOf({ ...removal, stages, ...more });
  assertEquals(
    waits({ node1: "known", node2: null, node3: null }),
    "node4: waiting until it is known to node2, node3",
  );
  const known = { node1: "known", node2: "known" } as const;
  assertEquals(
    waits(known),
    "node4: waiting until node4 itself hears of it; if it will not come back: converge remove --dead node4",
  );
  const takenOver = "node4: waiting until what it had is taken over by node1, node2";
  assertEquals(waits(known, { leaving: "known" as const }), takenOver);
  const silent = { ...removal, stages: known, leaving: "known" as const };
  assertEquals(
    waitsOf(silent, [{ name: "node4", state: "down" }]),
    `${takenOver}; node4 does not answer; if it will not come back: converge remove --dead node4`,
  );
  assertEquals(waitsOf(silent, [{ name: "node4", state: "up" }]), takenOver);
  assertEquals(waitsOf({ ...silent, dead: true }, [{ name: "node4", state: "down" }]), takenOver);
  assertEquals(waits(known, { dead: true }), takenOver);
  assertEquals(
    waits({ node1: "done", node2: "refilling" }, { dead: true }),
    "node4: waiting until what it had is taken over by node2",
  );
  const all = { node1: "done", node2: "done" } as const;
  assertEquals(waits(all, { dead: true }), "node4: all that it had is taken over");
  const forANewOne = "node4: waiting for a new node, since all members are being removed; " +
    "start one with the URLs of those that live as --peers";
  for (const dead of [false, true]) {
    assertEquals(waits({}, { dead, leaving: "known" as const }), forANewOne);
  }
});
