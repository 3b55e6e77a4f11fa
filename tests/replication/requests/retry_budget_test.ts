/** Work that is done twice: it has a bound, and does not come in step. */
import { assert, assertEquals } from "@std/assert";
import { RetryBudget } from "../../../src/replication/requests/retry_budget.ts";
import { InProcessCluster } from "../../support/in_process_cluster.ts";

/** Takes until nothing is left. */
function takeAll(budget: RetryBudget): number {
  let taken = 0;
  while (taken < 10_000 && budget.take()) taken++;
  return taken;
}

Deno.test("RetryBudget: a reserve at first, then a fifth of what comes, and never more than the reserve", () => {
  const budget = new RetryBudget();
  const reserve = takeAll(budget);
  assertEquals(reserve, 100);
  for (let i = 0; i < 4; i++) budget.earn();
  assertEquals(takeAll(budget), 0);
  budget.earn();
  assertEquals(takeAll(budget), 1);
  for (let i = 0; i < 50; i++) budget.earn();
  assertEquals(takeAll(budget), 10);
  for (let i = 0; i < 100_000; i++) budget.earn();
  assertEquals(takeAll(budget), reserve);
});

/** Puts something before what a node answers to an internal path. */
function intercept(
  cluster: InProcessCluster,
  i: number,
  path: string,
  answer: (body: string) => Response | undefined,
): void {
  const { origin, life, process } = cluster.node(i);
  cluster.world.network.listen(origin, life!, async (request) => {
    if (!request.url.endsWith(path)) return process!.app.fetch(request);
    return answer(await request.clone().text()) ?? process!.app.fetch(request);
  });
}

Deno.test("a write that is superseded again and again is tried after growing random pauses, five times at most", () =>
  InProcessCluster.run({}, async (cluster) => {
    let counter = 1_000;
    const attemptsMs: number[] = [];
    for (const i of [2, 3]) {
      intercept(cluster, i, "/internal/kv", (body) => {
        if (i === 2) attemptsMs.push(cluster.world.time.nowMs);
        const lines = body.trimEnd().split("\n");
        return new Response(lines.map(() => `superseded ${++counter}-x.1\n`).join(""));
      });
    }
    const response = await cluster.call(1, "PUT", "/kv/k", { body: "v" });
    const { attempts, indeterminate } = await response.json();
    assertEquals([response.status, attempts, indeterminate], [503, 5, true]);
    assertEquals(attemptsMs.length, 5);
    const pauses = attemptsMs.slice(1).map((ms, i) => ms - attemptsMs[i]!);
    const roundTripMs = pauses[0]!; // the first one is due at once
    const drawn = pauses.slice(1).map((ms) => ms - roundTripMs);
    assert(new Set(drawn).size > 1 && drawn.some((ms) => ms > 1), `${drawn} ms`);
    assert(drawn.every((ms) => ms < 100), `${drawn} ms`);
  }));

Deno.test("reads that are all late ask few owners twice: hedges have a budget", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 5_000 } }, async (cluster) => {
    let questions = 0;
    for (const i of [2, 3]) {
      intercept(cluster, i, "/internal/read", (body) => {
        questions += body.trimEnd().split("\n").length;
        return undefined;
      });
      cluster.slow(i, 400);
    }
    const reads = 1_000;
    const read = async () => {
      const statuses = await Promise.all(Array.from({ length: reads }, async (_, i) => {
        const response = await cluster.call(1, "GET", `/kv/k${i}`);
        await response.body?.cancel();
        return response.status;
      }));
      assertEquals(new Set(statuses), new Set([404]));
    };
    await read();
    assert(questions > reads, `${questions} questions: no hedge at all`);
    assert(questions <= reads * 1.2 + 100, `${questions} questions for ${reads} reads`);
    questions = 0;
    await read(); // the reserve was spent: they have earned what they use
    assert(questions > reads && questions <= reads * 1.2, `${questions} for ${reads} reads`);
  }));
