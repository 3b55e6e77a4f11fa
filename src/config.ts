/** Options of a node: names, defaults, limits, validation. The command line is made from this. */
import { ConvergeError } from "./errors.ts";

/**
 * When a write counts as durable: after fsync, at most so many ms before the next fsync, or whenever the
 * system likes. What each can lose is in `docs/formats.md`.
 */
export type Durability = { mode: "fsync" } | { mode: "interval"; ms: number } | { mode: "os" };

/** Everything a node must be told. Times in ms, sizes in bytes. */
export interface NodeConfig {
  /** The node's name: its identity on the ring. */
  name: string;
  /** Origin at which peers reach this node: `http://host:port`. */
  advertise: string;
  /** Origins of any other nodes, as seeds for gossip. */
  peers: string[];
  dataDirectory: string;
  /** Shared by all nodes: messages between them must prove to know it. Empty: none. */
  clusterSecret: string;
  /** N: owners per key. */
  replication: number;
  /** R: owners that must answer a read. */
  readQuorum: number;
  /** W: owners that must store a write. */
  writeQuorum: number;
  /** Tokens per node on the ring. */
  virtualNodes: number;
  gossipIntervalMs: number;
  /** Deadline of a client's request. */
  requestTimeoutMs: number;
  maxValueBytes: number;
  durability: Durability;
  /** Bytes of log after which the memtable is written to a table; after 32,768 keys in any case. */
  memtableBytes: number;
  /** Bound of the block cache. */
  cacheBytes: number;
  /** Client requests under way at most; more are answered 503 with `Retry-After`. */
  inFlightMax: number;
  /** Bound of all hints on this node. */
  hintBytesMax: number;
  /** Hints older than this are left to anti-entropy. */
  hintAgeMsMax: number;
  /** Pause between two rounds of anti-entropy with a peer. */
  antiEntropyIntervalMs: number;
  /** Pause between two rounds of tombstone collection. */
  tombstoneIntervalMs: number;
}

/** What must be the same on all nodes: who owns a key, and how many of them decide. */
export type SharedOptions = Pick<
  NodeConfig,
  "replication" | "readQuorum" | "writeQuorum" | "virtualNodes"
>;

/** The shared options of a configuration, alone. */
export function sharedOptions(config: SharedOptions): SharedOptions {
  const { replication, readQuorum, writeQuorum, virtualNodes } = config;
  return { replication, readQuorum, writeQuorum, virtualNodes };
}

/** Whether nodes with these own and count alike. */
export function isSameOptions(a: SharedOptions, b: SharedOptions): boolean {
  return a.replication === b.replication && a.readQuorum === b.readQuorum &&
    a.writeQuorum === b.writeQuorum && a.virtualNodes === b.virtualNodes;
}

/** The defaults of design section 4. */
export const DEFAULTS: Omit<NodeConfig, "name" | "advertise" | "dataDirectory"> = {
  peers: [],
  clusterSecret: "",
  replication: 3,
  readQuorum: 2,
  writeQuorum: 2,
  virtualNodes: 100,
  gossipIntervalMs: 2_000,
  requestTimeoutMs: 2_000,
  maxValueBytes: 1024 * 1024,
  durability: { mode: "fsync" },
  memtableBytes: 16 * 1024 * 1024,
  cacheBytes: 32 * 1024 * 1024,
  inFlightMax: 4_096,
  hintBytesMax: 256 * 1024 * 1024,
  hintAgeMsMax: 3 * 60 * 60 * 1000,
  antiEntropyIntervalMs: 10_000,
  tombstoneIntervalMs: 60_000,
};

/** The largest value that a node can be told to take. */
export const VALUE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Milliseconds that a client's request may have, at least and at most. On a busy node a write may wait 16
 * ms for others on its way to an owner, and as long in that owner's store (`platform/gathering.ts`); of the
 * least a peer is given 38 (`peer_links.ts`).
 */
export const REQUEST_TIMEOUT_MS_MIN = 50;
export const REQUEST_TIMEOUT_MS_MAX = 60_000;

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$/;

/**
 * Checks a whole configuration.
 *
 * @throws {ConvergeError} `bad_config` naming the first unusable option.
 */
export function validateConfig(config: NodeConfig): NodeConfig {
  const { name, replication, readQuorum, writeQuorum } = config;
  parseName("--id", name);
  requireInteger("--replication", replication, 1, 15);
  requireInteger("--read-quorum", readQuorum, 1, replication);
  requireInteger("--write-quorum", writeQuorum, 1, replication);
  if (writeQuorum * 2 <= replication) {
    throw badConfig("--write-quorum", writeQuorum, `more than half of ${replication}`);
  }
  if (readQuorum + writeQuorum <= replication) {
    throw badConfig(
      "--read-quorum",
      readQuorum,
      `more than --replication less --write-quorum, ${replication} - ${writeQuorum}`,
    );
  }
  requireInteger("--virtual-nodes", config.virtualNodes, 1, 4096);
  requireInteger("--gossip-interval", config.gossipIntervalMs, 10, 60_000);
  requireInteger(
    "--request-timeout",
    config.requestTimeoutMs,
    REQUEST_TIMEOUT_MS_MIN,
    REQUEST_TIMEOUT_MS_MAX,
  );
  requireInteger("--max-value", config.maxValueBytes, 1, VALUE_BYTES_MAX);
  return {
    ...config,
    advertise: parseOrigin("--advertise", config.advertise),
    peers: config.peers.map((peer) => parseOrigin("--peers", peer)),
  };
}

/**
 * The name of a node.
 *
 * @throws {ConvergeError} `bad_config` for what cannot be one.
 */
export function parseName(option: string, text: string): string {
  if (NAME.test(text)) return text;
  throw badConfig(option, text, "letters, digits, '.', '_' and '-', at most 63");
}

/**
 * An `http:` or `https:` origin, normalized.
 *
 * @throws {ConvergeError} `bad_config` for anything else, also for a URL with a path or credentials.
 */
export function parseOrigin(option: string, text: string): string {
  const url = URL.parse(text);
  if (
    url === null || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "" ||
    url.hash !== "" || url.username !== "" || url.password !== ""
  ) {
    throw badConfig(option, text, "an origin like http://127.0.0.1:8081");
  }
  return url.origin;
}

function requireInteger(option: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw badConfig(option, value, `an integer from ${min} to ${max}`);
  }
}

function badConfig(option: string, value: unknown, wanted: string): ConvergeError {
  return new ConvergeError(
    "bad_config",
    `Cannot use ${option} ${JSON.stringify(value)}: it must be ${wanted}`,
  );
}
