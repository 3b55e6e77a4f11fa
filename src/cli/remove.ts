/** `converge remove`: takes a member out of a running cluster, and tells how that goes on. */
import { ClientError } from "../client/client_error.ts";
import { ConvergeClient } from "../client/client.ts";
import type { RemovalProgress } from "../http/removal_routes.ts";
import { CommandError } from "./output/command_error.ts";
import { printLine } from "./output/terminal.ts";

/** What the command is told. */
export interface RemoveSettings {
  /** Nodes of the cluster, the first first. */
  urls: readonly string[];
  json: boolean;
  name: string;
  /** Whether the member is gone for good. */
  dead: boolean;
}

const POLL_MS = 500;
/** Times in a row that the node may not answer: it may be restarted meanwhile. */
const FAILURES_MAX = 60;

/**
 * Begins the removal, or joins one that is under way, and resolves when it has ended.
 *
 * @throws {CommandError | ClientError} When it cannot be begun, or the node answers no more.
 */
export async function runRemove({ urls, json, name, dead }: RemoveSettings): Promise<void> {
  const client = new ConvergeClient(urls);
  const { self } = await client.cluster();
  if (self === name) {
    throw new CommandError(`Cannot ask ${name} to remove itself; name another node with --url`);
  }
  let progress: RemovalProgress | undefined = await client.remove(name, { dead });
  let told = "";
  while (progress !== undefined && !progress.ended) {
    const line = waitsOf(progress);
    if (line !== told && !json) printLine(line);
    told = line;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    progress = await progressOf(client, name);
  }
  printLine(json ? JSON.stringify({ removed: name }) : `${name} is no member any more`);
}

/** Undefined once it has ended. */
async function progressOf(
  client: ConvergeClient,
  name: string,
): Promise<RemovalProgress | undefined> {
  for (let failures = 1;; failures++) {
    try {
      const { removals } = await client.cluster();
      return removals?.find((removal) => removal.name === name);
    } catch (error) {
      if (!(error instanceof ClientError) || !error.passing || failures === FAILURES_MAX) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** For whom a removal waits, in words. */
export function waitsOf({ name, dead, stages, leaving }: RemovalProgress): string {
  const members = Object.entries(stages);
  const unaware = members.filter(([, stage]) => stage === null).map(([member]) => member);
  if (unaware.length > 0) return `${name}: waiting until it is known to ${unaware.join(", ")}`;
  if (!dead && leaving === null) {
    return `${name}: waiting until ${name} itself hears of it; ` +
      `if it will not come back: converge remove --dead ${name}`;
  }
  const late = members.filter(([, stage]) => stage !== "done").map(([member]) => member);
  return late.length === 0
    ? `${name}: all that it had is taken over`
    : `${name}: waiting until what it had is taken over by ${late.join(", ")}`;
}
