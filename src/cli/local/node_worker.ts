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
  let starting: Promise<RunningNode> | undefined;
  let cuttable: CuttableNetwork | undefined;
  let cuts: string[] = [];
  let gate = new Int32Array(new SharedArrayBuffer(4));

  const fail = (error: unknown) => {
    const message = isConvergeError(error) ? error.message + nextStepOfNode(error) : String(error);
    const code = isConvergeError(error, "bad_config") ? "bad_config" : "not_ready";
    scope.postMessage({ type: "failed", message, code });
    scope.close();
  };

  const start = (message: ToWorker & { type: "start" }) => {
    gate = new Int32Array(message.gate);
    starting = runNode(message.settings, {
      network(real) {
        cuttable = new CuttableNetwork(real);
        cuttable.cut(cuts);
        return cuttable;
      },
      handler: (own) => withControlUrl(own, message.controlUrl),
      patienceMs: message.isSuccessor ? PATIENCE_MS : 0,
    });
    starting.then((node) => {
      scope.postMessage({ type: "ready", url: node.url });
      node.failed.then(fail);
    }, fail);
  };

  const stop = async () => {
    try {
      await (await starting)?.stop();
      scope.postMessage({ type: "stopped" });
      scope.close();
    } catch (error) {
      fail(error);
    }
  };

  scope.onmessage = ({ data: message }) => {
    switch (message.type) {
      case "start":
        return start(message);
      case "stop":
        return void stop();
      case "pause":
        // Blocks the whole thread, sockets and timers included, as SIGSTOP does to a process.
        return void Atomics.wait(gate, 0, 1);
      case "cut":
        cuts = message.origins;
        return cuttable?.cut(cuts);
    }
  };
  scope.postMessage({ type: "loaded" });
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
