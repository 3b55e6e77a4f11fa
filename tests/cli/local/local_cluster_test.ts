import { assertEquals } from "@std/assert";
import { LocalCluster } from "../../../src/cli/local/local_cluster.ts";
import { readNodeSettings } from "../../../src/cli/options/node_options.ts";

Deno.test("LocalCluster: a node's URL is one that can be opened, wherever it listens", () => {
  const urlOf = (host: string) => {
    const settings = { ...readNodeSettings({}, () => undefined), id: "node1", port: 8081, host };
    const nodes = [settings];
    const cluster = new LocalCluster({ entry: "", nodes, controlUrl: "", onChange() {} });
    return cluster.status().nodes[0]!.url;
  };
  assertEquals(urlOf("127.0.0.1"), "http://127.0.0.1:8081");
  assertEquals(urlOf("0.0.0.0"), "http://127.0.0.1:8081");
  assertEquals(urlOf("::"), "http://127.0.0.1:8081");
  assertEquals(urlOf("::1"), "http://[::1]:8081");
});
