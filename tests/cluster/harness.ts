/**
 * Real processes for tests: nodes on free ports in a temporary directory, waits on conditions with
 * deadlines, ends by pid. `CONVERGE_BIN` names the binary to test; without it the source runs.
 */
import { fromFileUrl, join, resolve } from "@std/path";

const REPOSITORY = resolve(fromFileUrl(import.meta.resolve("../..")));

/** What is waited for comes in a moment. That it never will is told so late for busy machines' sake. */
const PATIENCE_MS = 60_000;
const POLL_MS = 25;

/** Timings that let a test see in a second what takes a cluster half a minute by default. */
const QUICK = ["--gossip-interval", "100ms", "--anti-entropy-interval", "500ms"];

/**
 * Where all cores are busy, an answer may take longer than the two seconds of the default, and 503 would
 * be right. Nodes that join with data about wait for as long: tests of that say what suits them.
 */
export const PATIENT = ["--request-timeout", "10s"];
/** Longer than a node has for an answer. */
const FETCH_MS = 15_000;

/** The command that runs `converge` with `args`. */
export function convergeCommand(args: string[]): [string, string[]] {
  const binary = Deno.env.get("CONVERGE_BIN");
  if (binary) return [resolve(REPOSITORY, binary), args];
  const main = join(REPOSITORY, "main.ts");
  const source = join(REPOSITORY, "src");
  return [Deno.execPath(), [
    "run",
    "--no-prompt",
    "--allow-net",
    `--allow-read=./data,${main},${source}`,
    "--allow-write=./data",
    "--allow-env=CONVERGE_*,WS_NO_*",
    "--allow-sys=statfs",
    main,
    ...args,
  ]];
}

/** What ends a wait at once: the condition can never hold any more. */
export class Hopeless extends Error {
  override readonly name = "Hopeless";
}

/** Polls `condition` until it gives something, at most `deadlineMs`. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  options: { deadlineMs?: number; evidence?: () => string } = {},
): Promise<T> {
  const { deadlineMs = PATIENCE_MS, evidence = () => "" } = options;
  const deadline = performance.now() + deadlineMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const result = await condition();
      if (result !== undefined && result !== false) return result;
      last = undefined;
    } catch (error) {
      if (error instanceof Hopeless) throw new Hopeless(`${error.message}\n${evidence()}`);
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const reason = last === undefined ? "" : `\nlast error: ${last}`;
  throw new Error(`Waited ${deadlineMs} ms in vain until ${what}${reason}\n${evidence()}`);
}

/**
 * Below the ports that the system gives to outgoing connections (from 32768 on with Linux): one of
 * those may be taken again by any connection before the server that it is meant for listens.
 */
const PORTS = { first: 12_000, end: 32_000 };
/** How many follow the one that claims them. */
export const STRETCH = 200;
const PORT_ATTEMPTS_MAX = 1_000;

/**
 * Test files run beside each other, and a port is free until its node listens, or while its node is
 * down: each file takes its ports from a stretch of its own. Who listens at a stretch's first port
 * has it, as long as the file runs.
 */
const claim = claimStretch();

function claimStretch(): Deno.TcpListener {
  const stretches = (PORTS.end - PORTS.first) / STRETCH;
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    const listener = listenAt(PORTS.first + STRETCH * Math.floor(Math.random() * stretches));
    if (listener === undefined) continue;
    listener.unref();
    return listener;
  }
  throw new Error(`Cannot find ${STRETCH} ports that nobody has claimed`);
}

/** How many ports of the stretch were given away, since it was last gone through. */
let given = 0;

/** Ports that follow each other, on which nobody listens, and which were not given before. */
export function freePorts(count: number): number[] {
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    if (given + count >= STRETCH) given = 0;
    const first = claim.addr.port + 1 + given;
    given += count;
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if (ports.every(isFree)) return ports;
  }
  throw new Error(`Cannot find ${count} free ports in a row`);
}

function isFree(port: number): boolean {
  const listener = listenAt(port);
  listener?.close();
  return listener !== undefined;
}

/** Listens; undefined where somebody else does. */
function listenAt(port: number): Deno.TcpListener | undefined {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}

/** A process of `converge` with everything that it has printed. */
export class ConvergeProcess {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | undefined;
  readonly exited: Promise<Deno.CommandStatus>;
  stdout = "";
  stderr = "";
  isRunning = true;

  constructor(
    args: string[],
    options: { cwd: string; env?: Record<string, string>; stdin?: "piped" | "null" },
  ) {
    const { cwd, env = {}, stdin = "null" } = options;
    const [command, commandArgs] = convergeCommand(args);
    this.#child = new Deno.Command(command, {
      args: commandArgs,
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = stdin === "piped" ? this.#child.stdin.getWriter() : undefined;
    this.#reading = Promise.all([
      this.#collect(this.#child.stdout, (text) => this.stdout += text),
      this.#collect(this.#child.stderr, (text) => this.stderr += text),
    ]);
    this.exited = this.#child.status.finally(() => this.isRunning = false);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends a signal to this process only. */
  signal(signal: Deno.Signal): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#input?.write(new TextEncoder().encode(line + "\n"));
  }

  /** Closes standard input after writing `bytes`. */
  async feed(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#input?.write(bytes);
    await this.#input?.close();
  }

  /** Waits for the end and all output. */
  async end(): Promise<{ code: number; stdout: string; stderr: string }> {
    const { code } = await this.exited;
    await this.#reading;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Ends the process, whatever it does, and waits until it is gone. */
  async dispose(): Promise<void> {
    this.signal("SIGKILL");
    await this.end();
    await this.#input?.close().catch(() => {});
  }

  /** What it printed, for the message of a failure. */
  evidence(): string {
    return `--- stdout\n${this.stdout.slice(-2_000)}\n--- stderr\n${this.stderr.slice(-4_000)}`;
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
  }
}

/** Runs a command to its end. */
export async function runConverge(
  args: string[],
  options: { cwd?: string; env?: Record<string, string>; input?: Uint8Array<ArrayBuffer> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const process = new ConvergeProcess(args, {
    cwd: options.cwd ?? Deno.cwd(),
    env: options.env ?? {},
    stdin: options.input === undefined ? "null" : "piped",
  });
  if (options.input !== undefined) await process.feed(options.input);
  return await process.end();
}

/** A whole answer. */
export interface TestResponse {
  status: number;
  headers: Headers;
  bytes: Uint8Array<ArrayBuffer>;
  text: string;
}

/** One node of a {@linkcode TestCluster}; may be down. */
export class TestNode {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** Where its files are. */
  readonly directory: string;
  readonly #cwd: string;
  readonly #args: string[];
  process: ConvergeProcess | undefined;

  constructor(options: { name: string; port: number; cwd: string; args: string[] }) {
    this.name = options.name;
    this.port = options.port;
    this.url = `http://127.0.0.1:${options.port}`;
    this.directory = join(options.cwd, "data", options.name);
    this.#cwd = options.cwd;
    this.#args = options.args;
  }

  /** Starts it and waits for the line that says that it serves. */
  async start(): Promise<void> {
    const process = new ConvergeProcess(
      ["--port", `${this.port}`, "--id", this.name, ...QUICK, ...PATIENT, ...this.#args],
      { cwd: this.#cwd },
    );
    this.process = process;
    await until(`${this.name} serves`, () => {
      if (!process.isRunning) throw new Hopeless(`${this.name} has ended`);
      return process.stdout.includes(this.url);
    }, { evidence: () => process.evidence() });
  }

  /** SIGKILL, and gone. */
  async kill(): Promise<void> {
    await this.process?.dispose();
  }

  /** SIGTERM, and gone; gives the exit code. */
  async stop(): Promise<number> {
    this.process?.signal("SIGTERM");
    return (await this.process?.end())?.code ?? -1;
  }

  /** A request to this node, with the whole answer. */
  async fetch(path: string, init: RequestInit = {}): Promise<TestResponse> {
    const response = await fetch(this.url + path, {
      signal: AbortSignal.timeout(FETCH_MS),
      ...init,
    });
    const bytes = await response.bytes();
    return {
      status: response.status,
      headers: response.headers,
      bytes,
      text: new TextDecoder().decode(bytes),
    };
  }

  /** Stores text under a key; fails unless the write was acknowledged. */
  async put(key: string, value: string): Promise<void> {
    const { status, text } = await this.fetch(`/kv/${key}`, { method: "PUT", body: value });
    if (status !== 204) throw new Error(`PUT ${key} at ${this.name}: ${status} ${text}`);
  }

  /** The text under a key; undefined when there is none. */
  async get(key: string): Promise<string | undefined> {
    const { status, text } = await this.fetch(`/kv/${key}`);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`GET ${key} at ${this.name}: ${status} ${text}`);
    return text;
  }

  /** This node's own copy of a key as a record line; undefined when it has none. */
  async ownCopy(key: string): Promise<Record<string, unknown> | undefined> {
    const { status, text } = await this.fetch(`/internal/kv/${key}`);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`own copy of ${key} at ${this.name}: ${status} ${text}`);
    return JSON.parse(text.slice(text.indexOf("{")));
  }

  /** Names and liveness of the members that this node knows. */
  async members(): Promise<Map<string, string>> {
    const { text } = await this.fetch("/cluster");
    const { members }: { members: { name: string; state: string }[] } = JSON.parse(text);
    return new Map(members.map(({ name, state }) => [name, state]));
  }

  async isReady(): Promise<boolean> {
    return (await this.fetch("/readyz")).status === 200;
  }
}

/** Nodes named node1, node2, ... that know each other as peers. */
export class TestCluster implements AsyncDisposable {
  readonly cwd: string;
  readonly nodes: TestNode[];

  private constructor(cwd: string, nodes: TestNode[]) {
    this.cwd = cwd;
    this.nodes = nodes;
  }

  /**
   * Makes nodes without starting them.
   *
   * @param options `peersOf` tells which nodes (by index) node `i` is given; default: all others.
   * `addressesOf` gives, from the nodes' ports, the ports at which their peers reach them; default:
   * the same.
   */
  static async create(
    count: number,
    options: {
      args?: string[];
      peersOf?: (index: number) => number[];
      addressesOf?: (ports: number[]) => number[];
    } = {},
  ): Promise<TestCluster> {
    const cwd = await Deno.makeTempDir({ prefix: "converge-test-" });
    const ports = freePorts(count);
    const addresses = options.addressesOf?.(ports) ?? ports;
    const others = (index: number) => ports.map((_, i) => i).filter((i) => i !== index);
    const nodes = ports.map((port, index) => {
      const urls = (options.peersOf ?? others)(index).map((i) =>
        `http://127.0.0.1:${addresses[i]}`
      );
      const peers = urls.length === 0 ? [] : ["--peers", urls.join(",")];
      const advertise = ["--advertise", `http://127.0.0.1:${addresses[index]}`];
      const args = [...peers, ...advertise, ...(options.args ?? [])];
      return new TestNode({ name: `node${index + 1}`, port, cwd, args });
    });
    return new TestCluster(cwd, nodes);
  }

  /** Makes nodes, starts them all at once and waits until each can serve. */
  static async start(
    count: number,
    options: { args?: string[]; peersOf?: (index: number) => number[] } = {},
  ): Promise<TestCluster> {
    const cluster = await TestCluster.create(count, options);
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await cluster.ready();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** The nodes as a triple, which most tests want. */
  get three(): [TestNode, TestNode, TestNode] {
    const [a, b, c] = this.nodes;
    if (a === undefined || b === undefined || c === undefined) throw new Error("too few nodes");
    return [a, b, c];
  }

  /** Waits until every running node can serve. */
  async ready(): Promise<void> {
    for (const node of this.nodes.filter((node) => node.process?.isRunning)) {
      await this.until(`${node.name} is ready`, () => node.isReady());
    }
  }

  /** Polls with the nodes' output as evidence. */
  async until<T>(
    what: string,
    condition: () => Promise<T | undefined | false> | T | undefined | false,
  ): Promise<T> {
    return await until(what, condition, { evidence: () => this.evidence() });
  }

  evidence(): string {
    return this.nodes.map((node) => `=== ${node.name}\n${node.process?.evidence()}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await Deno.remove(this.cwd, { recursive: true });
  }
}
