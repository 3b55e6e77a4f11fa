/** `converge cluster`: a whole cluster in one process, to try, to show and to break. */
import { ConvergeClient } from "../client/client.ts";
import { ConvergeError, isConvergeError } from "../errors.ts";
import { DenoLog } from "../platform/deno/deno_log.ts";
import { HttpServer } from "../platform/deno/http_server.ts";
import { requireOpenPort } from "./options/barred_ports.ts";
import { runConsole } from "./local/cluster_console.ts";
import { clusterControl } from "./local/cluster_control.ts";
import { LocalCluster, type NodeStatus } from "./local/local_cluster.ts";
import { originOf } from "./options/listen_address.ts";
import type { NodeSettings } from "./options/node_options.ts";
import { untilSignal } from "./signals.ts";
import { printLine } from "./output/terminal.ts";
import { NODE_WORKER_PREFIX } from "./local/worker_messages.ts";

/** What `converge cluster` is told. */
export interface ClusterSettings {
  /** URL of the entry, which every node's Worker loads anew. */
  entry: string;
  nodes: number;
  /** Port of node1; the others follow. */
  port: number;
  /** Directory above the nodes' own. */
  data: string;
  /** Port of the control; undefined = 8080, or any free one where that is taken. */
  controlPort: number | undefined;
  /** What all nodes are told. */
  node: NodeSettings;
}

const CONTROL_PORT = 8080;

/** A cluster that is not ready by then never will be: a node has lost data that nobody else has. */
const READY_MS = 60_000;
const READY_POLL_MS = 50;

/**
 * Runs the cluster until a signal or `quit` ends it in an orderly way.
 *
 * @throws {ConvergeError} When a node cannot start.
 */
export async function runCluster(settings: ClusterSettings): Promise<void> {
  const control = listenForControl(settings.controlPort, settings.node);
  const controlUrl = originOf("127.0.0.1", control.port);
  let ready = false;
  const cluster = new LocalCluster({
    entry: settings.entry,
    nodes: settingsOfNodes(settings),
    controlUrl,
    onChange: (status) => {
      if (ready) printLine(describe(status));
    },
  });
  control.handle(clusterControl(cluster));
  const signal = untilSignal();
  try {
    await cluster.startAll();
    const urls = cluster.status().nodes.map((node) => node.url);
    const ended = await Promise.race([signal.received, untilAllReady(urls)]);
    if (ended !== undefined) return;
    printLine(`The cluster is ready: ${urls.join(" ")}`);
    printLine(`Its control listens on ${controlUrl}; type help for what can be typed here`);
    ready = true;
    await Promise.race([signal.received, runConsole(cluster)]);
  } finally {
    await cluster.stopAll();
    await control.close(1_000);
    signal.forget();
  }
}

async function untilAllReady(urls: string[]): Promise<void> {
  await Promise.all(urls.map(untilReady));
}

/** Nodes that have started find each other a moment later; only then do quorums work. */
async function untilReady(url: string): Promise<void> {
  const client = new ConvergeClient(url, { timeoutMs: READY_POLL_MS * 10 });
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline) {
    if (await client.probe("/readyz").catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  throw new ConvergeError("not_ready", `Cannot use ${url}: it was not ready in ${READY_MS} ms`);
}

function settingsOfNodes({ nodes, port, data, node }: ClusterSettings): NodeSettings[] {
  if (port + nodes - 1 > 65_535) {
    throw new ConvergeError("bad_config", `Cannot use --port ${port}: ${nodes} ports must follow`);
  }
  const numbers = Array.from({ length: nodes }, (_, index) => index);
  for (const index of numbers) requireOpenPort("--port", `${port}`, port + index);
  const urlOf = (index: number) => originOf(node.host, port + index);
  return numbers.map((index) => ({
    ...node,
    id: `${NODE_WORKER_PREFIX}${index + 1}`,
    port: port + index,
    advertise: urlOf(index),
    peers: numbers.filter((other) => other !== index).map(urlOf),
    data: `${data}/${NODE_WORKER_PREFIX}${index + 1}`,
  }));
}

/** Always on loopback: the control can stop nodes. */
function listenForControl(port: number | undefined, node: NodeSettings): HttpServer {
  const log = new DenoLog({ node: "control", level: node.logLevel });
  const listen = (wanted: number) =>
    HttpServer.listen({ hostname: "127.0.0.1", port: wanted, log });
  try {
    return listen(port ?? CONTROL_PORT);
  } catch (error) {
    if (port !== undefined || !isConvergeError(error, "bad_config")) throw error;
    return listen(0);
  }
}

function describe({ name, state, reason }: NodeStatus): string {
  return `${name} is ${state}${reason === undefined ? "" : `: ${reason}`}`;
}
