/** Orders to `converge cluster`, typed at its terminal or piped into it, one per line. */
import { isConvergeError } from "../../errors.ts";
import { type LocalCluster, NODE_ACTIONS, type NodeAction } from "./local_cluster.ts";
import { printLine } from "../output/terminal.ts";

/** What the console answers to `help`. */
const CONSOLE_HELP = [
  "stop node2        stop a node in an orderly way; start node2 brings it back",
  "kill node2        end it on the spot, as a crash would",
  "pause node2       freeze it, as SIGSTOP would; resume node2 goes on",
  "restart node2     stop, then start",
  "cut node1 node2   lose everything between two nodes; heal node1 node2 mends the link",
  "status            how every node stands",
  "quit              stop all nodes and end",
].join("\n");

/**
 * Obeys one line.
 *
 * @returns Whether to end.
 */
export async function obey(cluster: LocalCluster, line: string): Promise<boolean> {
  const [verb = "", ...names] = line.trim().split(/\s+/);
  const [first = "", second = ""] = names;
  const action = NODE_ACTIONS.find((candidate) => candidate === verb);
  try {
    if (action !== undefined && names.length === 1) await act(cluster, first, action);
    else if ((verb === "cut" || verb === "heal") && names.length === 2) {
      cluster.link(first, second, verb);
      printLine(`${first} and ${second}: ${verb === "cut" ? "cut off" : "healed"}`);
    } else if (verb === "status") printStatus(cluster);
    else if (verb === "quit" || verb === "exit") return true;
    else if (verb === "help") printLine(CONSOLE_HELP);
    else if (verb !== "") printLine(`Cannot do "${line.trim()}": type help for what there is`);
  } catch (error) {
    if (!isConvergeError(error)) throw error;
    printLine(error.message);
  }
  return false;
}

/** Changes are told as they come; where there is none, how the node stands is the answer. */
async function act(cluster: LocalCluster, name: string, action: NodeAction): Promise<void> {
  const stateOf = () => cluster.status().nodes.find((node) => node.name === name)?.state;
  const before = stateOf();
  await cluster.act(name, action);
  if (action !== "restart" && stateOf() === before) printLine(`${name} is ${before}`);
}

/**
 * Obeys standard input line by line until `quit`.
 *
 * @returns A promise that resolves on `quit`; when the input just ends, it never does.
 */
export async function runConsole(cluster: LocalCluster): Promise<void> {
  for await (const line of typedLines()) if (await obey(cluster, line)) return;
  await new Promise<never>(() => {});
}

async function* typedLines(): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  } catch {
    // What cannot be read any more, like a terminal that was closed, has ended.
  }
  yield rest;
}

function printStatus(cluster: LocalCluster): void {
  const { nodes, cuts } = cluster.status();
  for (const { name, url, state, reason } of nodes) {
    printLine(`${name}  ${url}  ${state}${reason === undefined ? "" : `: ${reason}`}`);
  }
  for (const [a, b] of cuts) printLine(`${a} and ${b} are cut off from each other`);
}
