/** `converge serve`: one node in this process, until a signal ends it. */
import type { NodeSettings } from "./options/node_options.ts";
import { runNode } from "./local/run_node.ts";
import { untilSignal } from "./signals.ts";
import { printNotice } from "./output/terminal.ts";

/**
 * Runs a node until SIGTERM or SIGINT (drains, flushes, ends well), until it has been removed as
 * somebody asked, or until it has to stop itself.
 *
 * @throws {ConvergeError} When the node cannot open, or the reason why it stopped itself.
 */
export async function runServe(settings: NodeSettings): Promise<void> {
  const node = await runNode(settings);
  printNotice(`${node.name} is ready: ${node.url}`);
  const signal = untilSignal();
  try {
    const end = await Promise.race([signal.received, node.failed]);
    const isDone = typeof end === "string" || end.details["asAsked"] === true;
    if (!isDone) throw end;
    await node.stop();
    if (typeof end !== "string") {
      printNotice(`${node.name} was removed: the others have what it had`);
    }
  } finally {
    signal.forget();
  }
}
