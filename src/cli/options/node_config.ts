/** From what the options say to what a node is told, once its port is known. */
import { type NodeConfig, validateConfig } from "../../config.ts";
import { isWildcard, originOf } from "./listen_address.ts";
import type { NodeSettings } from "./node_options.ts";

/**
 * The configuration of a node that listens on `port`.
 *
 * @throws {ConvergeError} `bad_config` naming the first unusable option.
 */
export function nodeConfig(settings: NodeSettings, port: number): NodeConfig {
  const { host, id, advertise, data, port: _port, logLevel: _logLevel, traceRatio: _, ...rest } =
    settings;
  const name = id ?? `node-${port}`;
  return validateConfig({
    ...rest,
    name,
    advertise: advertise ?? originOf(host, port),
    dataDirectory: data ?? `./data/${name}`,
  });
}

/** Whether a node listens for other machines and tells them an address that only its own reaches. */
export function isAdvertisedInVain({ host, advertise }: NodeSettings): boolean {
  return isWildcard(host) && advertise === undefined;
}
