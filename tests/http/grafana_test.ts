import { assert, assertEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
}

const dashboard: Dashboard = JSON.parse(
  Deno.readTextFileSync(new URL("../../docs/grafana.json", import.meta.url)),
);

/** Names of metrics in an expression, without what a histogram adds to them. */
function namesIn(expression: string): string[] {
  return (expression.match(/converge_[a-z_]+/g) ?? [])
    .map((name) => name.replace(/(_seconds)_(bucket|count|sum)$/, "$1"));
}

async function exported(): Promise<string[]> {
  let names: string[] = [];
  await InProcessCluster.run({}, async (cluster) => {
    const text = await (await cluster.call(1, "GET", "/metrics")).text();
    names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!);
  });
  return names;
}

Deno.test("docs/grafana.json: every metric that it names exists", async () => {
  const existing = new Set(await exported());
  for (const { title, targets } of dashboard.panels) {
    for (const { expr } of targets) {
      const names = namesIn(expr);
      assert(names.length > 0, `${title}: ${expr}`);
      assertEquals(names.filter((name) => !existing.has(name)), [], title);
    }
  }
});

Deno.test("docs/grafana.json: nearly every metric is shown somewhere", async () => {
  const shown = new Set(
    dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => namesIn(expr))),
  );
  const hidden = (await exported()).filter((name) => !shown.has(name));
  assertEquals(hidden, ["converge_applied_records_total", "converge_wal_syncs_total"]);
});
