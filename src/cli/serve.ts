/** `converge serve`: one node in this process, until a signal ends it. */
import type { ConvergeError } from "../errors.ts";
import type { NodeSettings } from "./options/node_options.ts";
import { type RunningNode, runNode } from "./local/run_node.ts";
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
    if (await untilEnded(node, signal.received) === "removed") {
      printNotice(`${node.name} was removed: the others have what it had`);
    }
  } finally {
    signal.forget();
  }
}

/**
 * Waits until a node is told to end, and ends it.
 *
 * @param told Resolves when it is.
 * @throws {ConvergeError} The reason why it had to stop itself, also where it came while the node ended:
 * what it wrote last may not be where it should.
 */
export async function untilEnded(
  node: Pick<RunningNode, "failed" | "stop">,
  told: Promise<string>,
): Promise<"told" | "removed"> {
  const end = await Promise.race([told, node.failed]);
  if (typeof end !== "string" && !isRemoval(end)) throw end;
  await node.stop();
  const late = await Promise.race([node.failed, undefined]);
  if (late === undefined) return "told";
  if (!isRemoval(late)) throw late;
  return "removed";
}

/** Whether it stops because it was removed as somebody asked. */
function isRemoval({ details }: ConvergeError): boolean {
  return details["asAsked"] === true;
}
