/** `converge cluster` as a process, for tests. */
import { assertEquals } from "@std/assert";
import { ConvergeProcess, freePorts, Hopeless, PATIENT, until } from "./harness.ts";

/** Longer than a node has for an answer. */
const FETCH_MS = 15_000;

/** A running `converge cluster` with its data in a directory of its own. */
export class ClusterProcess implements AsyncDisposable {
  readonly process: ConvergeProcess;
  readonly port: number;
  readonly control: string;
  /** Its data lies below. */
  readonly cwd: string;

  private constructor(cwd: string, port: number, controlPort: number) {
    this.cwd = cwd;
    this.port = port;
    this.control = `http://127.0.0.1:${controlPort}`;
    const args = ["--port", `${port}`, "--control-port", `${controlPort}`];
    const quick = ["--gossip-interval", "100ms", "--anti-entropy-interval", "500ms"];
    this.process = new ConvergeProcess(["cluster", ...args, ...quick, ...PATIENT], {
      cwd,
      stdin: "piped",
    });
  }

  static async start(): Promise<ClusterProcess> {
    const cwd = await Deno.makeTempDir({ prefix: "converge-test-" });
    const [first = 0, , , controlPort = 0] = freePorts(4);
    const cluster = new ClusterProcess(cwd, first, controlPort);
    await cluster.until("it is ready", () => {
      if (!cluster.process.isRunning) throw new Hopeless("it has ended");
      return cluster.process.stdout.includes("The cluster is ready");
    });
    return cluster;
  }

  url(number: number): string {
    return `http://127.0.0.1:${this.port + number - 1}`;
  }

  async put(number: number, key: string, value: string): Promise<void> {
    const signal = AbortSignal.timeout(FETCH_MS);
    const answer = await fetch(`${this.url(number)}/kv/${key}`, {
      method: "PUT",
      body: value,
      signal,
    });
    assertEquals(answer.status, 204, await answer.text());
  }

  async get(number: number, key: string): Promise<string> {
    const signal = AbortSignal.timeout(FETCH_MS);
    return await (await fetch(`${this.url(number)}/kv/${key}`, { signal })).text();
  }

  /** Whether a path answers 200 in good time. */
  async answers(
    number: number,
    path = "/healthz",
    { withinMs = FETCH_MS } = {},
  ): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(withinMs);
      const answer = await fetch(this.url(number) + path, { signal });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }

  async order(
    path: string,
    headers: HeadersInit = {},
  ): Promise<{ status: number; states: string }> {
    const answer = await fetch(this.control + path, { method: "POST", headers });
    const body: { nodes?: { state: string }[] } = await answer.json();
    return {
      status: answer.status,
      states: body.nodes?.map(({ state }) => state).join(" ") ?? "",
    };
  }

  async until(
    what: string,
    condition: () => Promise<boolean> | boolean,
  ): Promise<void> {
    await until(what, condition, { evidence: () => this.process.evidence() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.dispose();
    await Deno.remove(this.cwd, { recursive: true });
  }
}
