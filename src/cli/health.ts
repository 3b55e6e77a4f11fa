/** `converge health`: is a node well? For container health checks: no shell, no curl, an exit code. */
import { ConvergeClient } from "../client/client.ts";
import { CommandError } from "./output/command_error.ts";
import { printLine } from "./output/terminal.ts";

const HEALTH_MS = 3_000;

/**
 * Asks whether the node lives, or with `ready` whether it can serve its keys.
 *
 * @throws {CommandError | ClientError} When it does not.
 */
export async function runHealth(
  url: string,
  { ready = false, json = false } = {},
): Promise<void> {
  const well = await new ConvergeClient(url, { timeoutMs: HEALTH_MS })
    .probe(ready ? "/readyz" : "/healthz");
  const word = ready ? "ready" : "well";
  if (json) printLine(JSON.stringify({ url, [word]: well }));
  if (!well) throw new CommandError(`${url} is not ${word}; see converge status --url ${url}`);
  if (!json) printLine(`${url} is ${word}`);
}
