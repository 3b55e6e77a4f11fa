/** One node with its listening socket: what `serve` and every Worker of `cluster` run. */
import { type ConvergeError, isConvergeError } from "../../errors.ts";
import { ConvergeNode } from "../../node.ts";
import { DenoLog } from "../../platform/deno/deno_log.ts";
import { denoPlatform } from "../../platform/deno/deno_platform.ts";
import { type Handler, HttpServer } from "../../platform/deno/http_server.ts";
import { SOCKET_PATH } from "../../platform/deno/socket_message.ts";
import type { Network } from "../../platform/network.ts";
import { MessageAuth, SIGNATURE_HEADER } from "../../replication/peers/message_auth.ts";
import { originOf } from "../options/listen_address.ts";
import { isAdvertisedInVain, nodeConfig } from "../options/node_config.ts";
import type { NodeSettings } from "../options/node_options.ts";

/** How long requests under way may take to finish at the end. */
const DRAIN_MS = 5_000;

/** Pause between two attempts to take what an ended predecessor still holds. */
const RETRY_MS = 50;

/** A node that serves. */
export interface RunningNode {
  readonly name: string;
  /** Where this machine reaches it: `http://host:port`. */
  readonly url: string;
  /** Resolves when the node had to stop itself. */
  readonly failed: Promise<ConvergeError>;
  /** Answers no new requests, finishes those under way, flushes, closes. */
  stop(): Promise<void>;
}

/** What `cluster` does differently from `serve`. */
export interface RunNodeOptions {
  /** Stands between the node and its peers. */
  network?: (real: Network) => Network;
  /** Stands before the node's own handler. */
  handler?: (own: Handler) => Handler;
  /** How long to wait for a port or a data directory that a predecessor is still letting go. */
  patienceMs?: number;
}

/**
 * Binds the port, then opens and starts the node: peers are told the port that was really bound.
 *
 * @throws {ConvergeError} `bad_config`, `data_locked`, `wrong_data`, `corrupt_file`, ...
 */
export async function runNode(
  settings: NodeSettings,
  options: RunNodeOptions = {},
): Promise<RunningNode> {
  // What cannot be used is told first, whether or not the port is free.
  nodeConfig(settings, settings.port);
  const deadline = performance.now() + (options.patienceMs ?? 0);
  const startLog = new DenoLog({ node: settings.id, level: settings.logLevel });
  const sockets = socketAdmission(settings.clusterSecret);
  const { host: hostname, port } = settings;
  const server = await patiently(
    deadline,
    () => HttpServer.listen({ hostname, port, log: startLog, admits: sockets.admits }),
  );
  try {
    const config = nodeConfig(settings, server.port);
    const log = new DenoLog({ node: config.name, level: settings.logLevel });
    if (isAdvertisedInVain(settings)) {
      log.warn("advertise.in_vain", { advertise: config.advertise, option: "--advertise" });
    }
    const platform = denoPlatform({
      log,
      traceRatio: settings.traceRatio,
      socketHeaders: sockets.headers,
    });
    const network = options.network?.(platform.network) ?? platform.network;
    const node = await patiently(
      deadline,
      () => ConvergeNode.open(config, { ...platform, network }),
    );
    const own = platform.around((request) => node.app.fetch(request));
    server.handle(options.handler?.(own) ?? own);
    node.start();
    return {
      name: config.name,
      url: originOf(settings.host, server.port),
      failed: node.failed,
      async stop() {
        node.drain();
        if (!await server.close(DRAIN_MS)) log.warn("drain.incomplete", { waitedMs: DRAIN_MS });
        await node.stop();
        platform.network.close();
      },
    };
  } catch (error) {
    await server.close(DRAIN_MS);
    throw error;
  }
}

/** What this node opens sockets to peers with, and whom it lets open one: the same for all nodes. */
function socketAdmission(
  secret: string,
): { headers: Record<string, string>; admits: (headers: Headers) => boolean } {
  const auth = new MessageAuth(secret);
  const opening = { method: "GET", path: SOCKET_PATH, body: undefined };
  return {
    headers: auth.signed(opening.method, opening.path, {}, opening.body),
    admits: (headers) => auth.holds({ ...opening, headers }, headers.get(SIGNATURE_HEADER)),
  };
}

/** A killed Worker lets go of its socket and its lock a moment after it was told to end. */
async function patiently<T>(deadline: number, attempt: () => T | Promise<T>): Promise<T> {
  while (true) {
    try {
      return await attempt();
    } catch (error) {
      const passing = isConvergeError(error, "data_locked", "bad_config");
      if (!passing || performance.now() + RETRY_MS > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
