/** The examples of docs/guarantees.md are what nodes really say. */
import { assert, assertEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";
import { operationLine } from "../../src/simulation/report.ts";
import { runPlanWith, summaryOf } from "../../src/simulation/run_seed.ts";
import { CLOCK_SKEW_MS_MAX } from "../../src/replication/convergence/tombstone_collector.ts";

const text = await Deno.readTextFile(new URL("../../docs/guarantees.md", import.meta.url));

/** `"why":"..."` and the like, as they stand in the answers and in the document. */
function assertTold(answer: string, ...members: string[]): void {
  for (const member of members) {
    assert(answer.includes(member), `nodes do not say ${member}: ${answer}`);
    assert(text.includes(member), `docs/guarantees.md does not say ${member}`);
  }
}

Deno.test("docs/guarantees.md: its answers are those of nodes that lose one, then two owners", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    cluster.kill(2);
    const one = await cluster.call(1, "PUT", "/kv/greeting?explain=1", { body: "hello" });
    assertTold(
      await one.text(),
      '"result":"stored","why":"2 of 3 owners have it on disk, 2 were required"',
      '"hinted":true',
      '"fsynced":true',
    );

    cluster.kill(3);
    const two = await cluster.call(1, "PUT", "/kv/greeting", { body: "hello2" });
    assertEquals(two.status, 503);
    assertTold(
      await two.text(),
      '"type":"urn:converge:problem:quorum-unreachable"',
      '"status":503',
      '"detail":"Cannot store on 2 owners: current count is ',
      '"indeterminate":true,"mayBeOn":["node1"]',
      '"outcome":"refused"',
    );

    const less = await cluster.call(1, "PUT", "/kv/greeting?w=1&explain=1", { body: "hello3" });
    assertTold(
      await less.text(),
      '"strict":false,"required":1,"result":"stored","why":"1 of 3 owners have it on disk, 1 were required"',
    );
    assertEquals(await (await cluster.call(1, "GET", "/kv/greeting?r=1")).text(), "hello3");

    await cluster.call(1, "DELETE", "/kv/greeting?w=1");
    assertTold(
      await (await cluster.call(1, "GET", "/tombstones/greeting")).text(),
      '"confirmed":false,"has":"no answer"',
      '"confirmed":true,"has":"same"',
    );
  });
});

Deno.test("docs/guarantees.md: the bound on clocks is the collector's", () => {
  assert(text.includes(`${CLOCK_SKEW_MS_MAX / 1_000} seconds later (\`CLOCK_SKEW_MS_MAX\`)`));
});

for (const name of ["value_seen_twice", "value_seen_too_early"]) {
  Deno.test(`docs/guarantees.md: its history that is not linearizable is what ${name} gives`, async () => {
    const path = `tests/simulation/plans/${name}.json`;
    const plan = JSON.parse(await Deno.readTextFile(new URL(`../../${path}`, import.meta.url)));
    const { counterexample } = summaryOf(await runPlanWith(plan));
    assert(counterexample.length > 0, "it is linearizable now");
    const lines = counterexample.map((operation) => `  ${operationLine(operation)}\n`).join("");
    assert(text.includes(path), path);
    assert(text.includes(lines), `docs/guarantees.md does not say\n${lines}`);
  });
}
