/**
 * The one table of a node's options. The command line, the environment (`CONVERGE_*`), `--help`,
 * the README and the container files are made from it or checked against it.
 */
import {
  DEFAULTS,
  type NodeConfig,
  parseName,
  parseOrigin,
  REQUEST_TIMEOUT_MS_MAX,
  REQUEST_TIMEOUT_MS_MIN,
} from "../../config.ts";
import { majorityOf } from "../../membership/quorums.ts";
import { requireOpenPort } from "./barred_ports.ts";
import { originOf } from "./listen_address.ts";
import {
  badValue,
  parseChoice,
  parseDuration,
  parseInteger,
  parseRatio,
  parseSize,
  type Range,
} from "./parse_value.ts";

/** What the options of a node say, before the real port is known. */
export interface NodeSettings extends Omit<NodeConfig, "name" | "advertise" | "dataDirectory"> {
  port: number;
  host: string;
  /** Absent = `node-<port>`. */
  id?: string;
  /** Absent = `http://<host>:<port>`. */
  advertise?: string;
  /** Absent = `./data/<id>`. */
  data?: string;
  logLevel: LogLevel;
  /** Share of the requests that are traced, 0 to 1, where traces are exported. */
  traceRatio: number;
}

/** Lowest level of log lines that are written. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One row of the table. */
export interface NodeOption {
  /** `port` for `--port` and `CONVERGE_PORT`. */
  name: string;
  /** How the value is called in the help: `<port>`. */
  value: string;
  /** The default, as in the documents. */
  fallback: string;
  about: string;
  /** Whether it sets one node apart, so that it makes no sense for a whole `converge cluster`. */
  perNode?: boolean;
  /**
   * Reads `text` into `settings`; `source` names the flag or variable in errors.
   *
   * @throws {ConvergeError} `bad_config`.
   */
  read(settings: NodeSettings, text: string, source: string): void;
}

const LOG_LEVELS = ["info", "warn", "error"] as const;
const INTERVAL_MS: Range = { min: 10, max: 60_000 };
const REQUEST_TIMEOUT_MS: Range = { min: REQUEST_TIMEOUT_MS_MIN, max: REQUEST_TIMEOUT_MS_MAX };
const MIB = 1024 * 1024;
const MEMORY: Range = { min: MIB, max: 64 * 1024 * MIB };
const REPLICAS: Range = { min: 1, max: 15 };

/** Every option of a node, in the order of the documents. */
export const NODE_OPTIONS: readonly NodeOption[] = [
  {
    name: "port",
    value: "<port>",
    fallback: "8080",
    about: "listen port; 0 takes any free one",
    perNode: true,
    read(settings, text, source) {
      settings.port = parseInteger(source, text, { min: 0, max: 65_535 });
      if (settings.port !== 0) requireOpenPort(source, text, settings.port);
    },
  },
  {
    name: "host",
    value: "<address>",
    fallback: "127.0.0.1",
    about: "listen address; 0.0.0.0 in containers",
    read(settings, text, source) {
      if (URL.parse(originOf(text, 8080))?.port !== "8080") {
        throw badValue(source, text, "an address like 127.0.0.1");
      }
      settings.host = text;
    },
  },
  {
    name: "id",
    value: "<name>",
    fallback: "node-<port>",
    about: "the node's name: its identity on the ring",
    perNode: true,
    read(settings, text, source) {
      settings.id = parseName(source, text);
    },
  },
  {
    name: "advertise",
    value: "<url>",
    fallback: "http://<host>:<port>",
    about: "how peers reach this node",
    perNode: true,
    read(settings, text, source) {
      settings.advertise = parseNodeOrigin(source, text);
    },
  },
  {
    name: "peers",
    value: "<urls>",
    fallback: "none",
    about: "comma-separated URLs of any other nodes",
    perNode: true,
    read(settings, text, source) {
      const urls = text.split(",").map((url) => url.trim()).filter((url) => url !== "");
      settings.peers = urls.map((url) => parseNodeOrigin(source, url));
    },
  },
  {
    name: "data",
    value: "<directory>",
    fallback: "./data/<id>",
    about: "data directory, locked while in use",
    perNode: true,
    read(settings, text, source) {
      if (text === "") throw badValue(source, text, "a directory");
      settings.data = text;
    },
  },
  {
    name: "replication",
    value: "<n>",
    fallback: `${DEFAULTS.replication}`,
    about: "N: owners of each key",
    read(settings, text, source) {
      settings.replication = parseInteger(source, text, REPLICAS);
    },
  },
  {
    name: "read-quorum",
    value: "<r>",
    fallback: `${DEFAULTS.readQuorum}`,
    about: "R: owners that must answer a read; without it a majority of N",
    read(settings, text, source) {
      settings.readQuorum = parseInteger(source, text, REPLICAS);
    },
  },
  {
    name: "write-quorum",
    value: "<w>",
    fallback: `${DEFAULTS.writeQuorum}`,
    about: "W: owners that must store a write; without it a majority of N",
    read(settings, text, source) {
      settings.writeQuorum = parseInteger(source, text, REPLICAS);
    },
  },
  {
    name: "virtual-nodes",
    value: "<count>",
    fallback: `${DEFAULTS.virtualNodes}`,
    about: "tokens of each node on the ring",
    read(settings, text, source) {
      settings.virtualNodes = parseInteger(source, text, { min: 1, max: 4096 });
    },
  },
  {
    name: "gossip-interval",
    value: "<time>",
    fallback: "2s",
    about: "pause between two rounds of gossip",
    read(settings, text, source) {
      settings.gossipIntervalMs = parseDuration(source, text, INTERVAL_MS);
    },
  },
  {
    name: "request-timeout",
    value: "<time>",
    fallback: "2s",
    about: "deadline of a client's request",
    read(settings, text, source) {
      settings.requestTimeoutMs = parseDuration(source, text, REQUEST_TIMEOUT_MS);
    },
  },
  {
    name: "max-value",
    value: "<size>",
    fallback: "1MiB",
    about: "largest value",
    read(settings, text, source) {
      settings.maxValueBytes = parseSize(source, text, { min: 1, max: 64 * MIB });
    },
  },
  {
    name: "durability",
    value: "<mode>",
    fallback: "fsync",
    about: "what a write waits for: fsync, a time between fsyncs like 50ms, or os",
    read(settings, text, source) {
      settings.durability = parseDurability(text, source);
    },
  },
  {
    name: "memtable",
    value: "<size>",
    fallback: "16MiB",
    about: "bytes of log after which memory is written to a table, or 32,768 keys",
    read(settings, text, source) {
      settings.memtableBytes = parseSize(source, text, { min: 64 * 1024, max: 1024 * MIB });
    },
  },
  {
    name: "cache",
    value: "<size>",
    fallback: "32MiB",
    about: "bound of the block cache",
    read(settings, text, source) {
      settings.cacheBytes = parseSize(source, text, { min: 0, max: MEMORY.max });
    },
  },
  {
    name: "in-flight",
    value: "<count>",
    fallback: `${DEFAULTS.inFlightMax}`,
    about: "client requests under way at most; more are answered 503",
    read(settings, text, source) {
      settings.inFlightMax = parseInteger(source, text, { min: 1, max: 1_000_000 });
    },
  },
  {
    name: "hint-size",
    value: "<size>",
    fallback: "256MiB",
    about: "bound of the hints kept for peers that are away",
    read(settings, text, source) {
      settings.hintBytesMax = parseSize(source, text, { min: 0, max: MEMORY.max });
    },
  },
  {
    name: "hint-age",
    value: "<time>",
    fallback: "3h",
    about: "older hints are left to anti-entropy",
    read(settings, text, source) {
      settings.hintAgeMsMax = parseDuration(source, text, { min: 1_000, max: 30 * 24 * 3_600_000 });
    },
  },
  {
    name: "anti-entropy-interval",
    value: "<time>",
    fallback: "10s",
    about: "pause between two comparisons with a peer; longer under many writes",
    read(settings, text, source) {
      settings.antiEntropyIntervalMs = parseDuration(source, text, {
        min: 100,
        max: 24 * 3_600_000,
      });
    },
  },
  {
    name: "cluster-secret",
    value: "<text>",
    fallback: "none",
    about: "nodes take internal messages only from those who know it",
    read(settings, text, source) {
      if (text === "") throw badValue(source, text, "a text: without one nodes trust everybody");
      settings.clusterSecret = text;
    },
  },
  {
    name: "tombstone-interval",
    value: "<time>",
    fallback: "60s",
    about: "pause between two rounds that erase tombstones, expired values and moved keys",
    read(settings, text, source) {
      settings.tombstoneIntervalMs = parseDuration(source, text, {
        min: 100,
        max: 24 * 3_600_000,
      });
    },
  },
  {
    name: "log-level",
    value: "<level>",
    fallback: "info",
    about: `lowest level that is logged: ${LOG_LEVELS.join(", ")}`,
    read(settings, text, source) {
      settings.logLevel = parseChoice(source, text, LOG_LEVELS);
    },
  },
  {
    name: "trace-ratio",
    value: "<ratio>",
    fallback: "0.01",
    about: "share of requests that are traced, 0 to 1, where OTEL_DENO exports traces",
    read(settings, text, source) {
      settings.traceRatio = parseRatio(source, text);
    },
  },
];

/** The variable of the environment that means the same as `--<name>`. */
export function environmentName(name: string): string {
  return `CONVERGE_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** What an option was given as, and by which flag or variable. */
export interface GivenText {
  text: string;
  source: string;
}

/**
 * What the flag of an option says, else its variable; undefined where neither was given.
 *
 * @param flags Texts given on the command line, by option name.
 * @param environment Looks a variable up.
 */
export function givenText(
  name: string,
  flags: Readonly<Record<string, string | undefined>>,
  environment: (name: string) => string | undefined,
): GivenText | undefined {
  const flag = flags[name];
  if (flag !== undefined) return { text: flag, source: `--${name}` };
  const source = environmentName(name);
  const text = environment(source);
  // An empty variable is how a shell or a compose file says "not set".
  return text ? { text, source } : undefined;
}

/**
 * Reads settings from flags, then the environment, then the defaults.
 *
 * @throws {ConvergeError} `bad_config` naming the flag or variable.
 */
export function readNodeSettings(
  flags: Readonly<Record<string, string | undefined>>,
  environment: (name: string) => string | undefined,
  options: readonly NodeOption[] = NODE_OPTIONS,
): NodeSettings {
  const settings: NodeSettings = {
    ...DEFAULTS,
    port: 8080,
    host: "127.0.0.1",
    logLevel: "info",
    traceRatio: 0.01,
  };
  const given = new Set<string>();
  for (const option of options) {
    const found = givenText(option.name, flags, environment);
    if (found === undefined) continue;
    option.read(settings, found.text, found.source);
    given.add(option.name);
  }
  const majority = majorityOf(settings.replication);
  if (!given.has("read-quorum")) settings.readQuorum = majority;
  if (!given.has("write-quorum")) settings.writeQuorum = majority;
  return settings;
}

function parseNodeOrigin(source: string, text: string): string {
  const origin = parseOrigin(source, text);
  const { port } = new URL(origin);
  if (port !== "") requireOpenPort(source, text, Number(port));
  return origin;
}

function parseDurability(text: string, source: string): NodeConfig["durability"] {
  if (text === "fsync" || text === "os") return { mode: text };
  const kind = "fsync, os, or a time like 50ms,";
  return { mode: "interval", ms: parseDuration(source, text, { min: 1, max: 60_000 }, kind) };
}
