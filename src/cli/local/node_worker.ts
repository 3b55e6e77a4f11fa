/** The inside of a Worker that is one node of `converge cluster`. */
import { isConvergeError } from "../../errors.ts";
import { rawPathAfter } from "../../http/raw_url.ts";
import type { Handler } from "../../platform/deno/http_server.ts";
import { CuttableNetwork } from "./cuttable_network.ts";
import { nextStepOfNode } from "../output/next_step.ts";
import { type RunningNode, runNode } from "./run_node.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

/** A killed predecessor may take this long to let go of the port and the data directory. */
const PATIENCE_MS = 10_000;

const POLICY_HEADER = "content-security-policy";

/** What a Worker's global scope has and a main program's has not. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  close(): void;
}

/** Waits for the messages of the cluster that started this Worker and obeys them. */
export function runNodeWorker(): void {
  const scope = globalThis as unknown as WorkerScope;
  const worker = new NodeWorker(scope);
  scope.onmessage = ({ data }) => worker.obey(data);
  scope.postMessage({ type: "loaded" });
}

/** One node, as its cluster starts, stops, pauses and cuts it off. */
class NodeWorker {
  readonly #scope: WorkerScope;
  #starting: Promise<RunningNode> | undefined;
  #network: CuttableNetwork | undefined;
  /** Origins that are cut off, of a network that may have yet to be made. */
  #cuts: string[] = [];
  /** Is 1 while the node is paused. */
  #gate = new Int32Array(new SharedArrayBuffer(4));

  constructor(scope: WorkerScope) {
    this.#scope = scope;
  }

  obey(message: ToWorker): void {
    switch (message.type) {
      case "start":
        return this.#start(message);
      case "stop":
        return void this.#stop();
      case "pause":
        // Blocks the whole thread, sockets and timers included, as SIGSTOP does to a process.
        return void Atomics.wait(this.#gate, 0, 1);
      case "cut":
        this.#cuts = message.origins;
        return this.#network?.cut(this.#cuts);
    }
  }

  #start({ gate, settings, controlUrl, isSuccessor }: ToWorker & { type: "start" }): void {
    this.#gate = new Int32Array(gate);
    this.#starting = runNode(settings, {
      network: (real) => {
        this.#network = new CuttableNetwork(real);
        this.#network.cut(this.#cuts);
        return this.#network;
      },
      handler: (own) => withControlUrl(own, controlUrl),
      patienceMs: isSuccessor ? PATIENCE_MS : 0,
    });
    const fail = (error: unknown) => this.#fail(error);
    this.#starting.then((node) => {
      this.#scope.postMessage({ type: "ready", url: node.url });
      node.failed.then(fail);
    }, fail);
  }

  async #stop(): Promise<void> {
    try {
      await (await this.#starting)?.stop();
      this.#scope.postMessage({ type: "stopped" });
      this.#scope.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const message = isConvergeError(error) ? error.message + nextStepOfNode(error) : String(error);
    const code = isConvergeError(error, "bad_config") ? "bad_config" : "not_ready";
    this.#scope.postMessage({ type: "failed", message, code });
    this.#scope.close();
  }
}

/** Tells the page that a node serves where the cluster's control listens, and lets it talk there. */
function withControlUrl(own: Handler, url: string): Handler {
  return async (request) => {
    const path = rawPathAfter(request.url, "");
    if (path === "/control") return Response.json({ url });
    const response = await own(request);
    const policy = path === "/" ? response.headers.get(POLICY_HEADER) : null;
    if (policy !== null) {
      response.headers.set(POLICY_HEADER, policy.replace("connect-src 'self'", `$& ${url}`));
    }
    return response;
  };
}
