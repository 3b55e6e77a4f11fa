import { assertEquals } from "@std/assert";
import { InProcessCluster } from "../support/in_process_cluster.ts";

Deno.test("docs/metrics.md: the table is what /metrics says of itself", async () => {
  await InProcessCluster.run({}, async (cluster) => {
    const text = await (await cluster.call(1, "GET", "/metrics")).text();
    const helps = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)];
    const rows = helps.map(([, name, help, type]) => `| \`${name}\` | ${type} | ${help} |`);
    const document = await Deno.readTextFile(new URL("../../docs/metrics.md", import.meta.url));
    assertEquals(
      document.split("\n")
        .filter((line) => line.startsWith("| `"))
        .map((line) => line.replaceAll(/ +/g, " ")),
      rows,
    );
  });
});
