import { assertEquals } from "@std/assert";
import { clusterControl } from "../../../src/cli/local/cluster_control.ts";
import { LocalCluster } from "../../../src/cli/local/local_cluster.ts";
import { problemOf } from "../../support/problems.ts";

Deno.test("clusterControl: its problems are documents like those of nodes: a title of the type, and a detail", async () => {
  const cluster = new LocalCluster({ entry: "", nodes: [], controlUrl: "", onChange() {} });
  const control = clusterControl(cluster);
  const refused: [request: Request, status: number][] = [
    [new Request("http://127.0.0.1:8080/kv/a"), 404],
    [new Request("http://127.0.0.1:8080/nodes/node1/kill"), 405],
    [new Request("http://127.0.0.1:8080/nodes/node1/kill", { method: "POST" }), 400],
    [new Request("http://elsewhere.example/"), 403],
  ];
  for (const [request, status] of refused) {
    const { title, detail } = await problemOf(await control(request), status, "control");
    assertEquals([title, typeof detail], ["control", "string"]);
  }
});
