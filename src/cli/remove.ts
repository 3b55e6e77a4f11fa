/** `converge remove`: takes a member out of a running cluster, and tells how that goes on. */
import { ClientError } from "../client/client_error.ts";
import { ConvergeClient } from "../client/client.ts";
import type { ClusterView, RemovalProgress } from "../http/cluster_view.ts";
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
  let client = new ConvergeClient(urls);
  if ((await client.cluster()).self === name) {
    return await runRemove({ urls: othersOf(client, urls, name), json, name, dead });
  }
  let progress = await client.remove(name, { dead });
  let line = waitsOf(progress);
  let told = "";
  while (!progress.ended) {
    if (line !== told && !json) printLine(line);
    told = line;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const view = await viewOf(client);
    if (view.self === name) {
      // It may be cut off, and hear of it when all others have long been done.
      client = new ConvergeClient(othersOf(client, urls, name));
      continue;
    }
    const known = view.removals?.find((one) => one.name === name);
    if (known !== undefined) {
      progress = known;
      line = waitsOf(known, view.members);
    } else if (isMember(progress, view)) line = `${name}: waiting until ${view.self} hears of it`;
    else break;
  }
  printLine(json ? JSON.stringify({ removed: name }) : `${name} is no member any more`);
}

/** All URLs but that of the node that answered last, which is the member itself. @throws {CommandError} */
function othersOf({ url }: ConvergeClient, urls: readonly string[], name: string): string[] {
  const others = urls.filter((other) => other !== url);
  if (others.length > 0) return others;
  throw new CommandError(`Cannot ask ${name} to remove itself; name another node with --url`);
}

/** Whether a life that is being removed is one for the node that is asked: another one may know more. */
function isMember(
  { name, nodeID, incarnation }: RemovalProgress,
  { members }: ClusterView,
): boolean {
  return members.some((member) =>
    member.name === name && (member.nodeID === nodeID || member.incarnation <= incarnation)
  );
}

async function viewOf(client: ConvergeClient): Promise<ClusterView> {
  for (let failures = 1;; failures++) {
    try {
      return await client.cluster();
    } catch (error) {
      if (!(error instanceof ClientError) || !error.passing || failures === FAILURES_MAX) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/**
 * For whom a removal waits, in words.
 *
 * @param heard How the node that is asked hears members, the one that goes among them.
 */
export function waitsOf(
  { name, dead, stages, leaving }: RemovalProgress,
  heard: readonly Pick<ClusterView["members"][number], "name" | "state">[] = [],
): string {
  const members = Object.entries(stages);
  if (members.length === 0) {
    return `${name}: waiting for a new node, since all members are being removed; ` +
      "start one with the URLs of those that live as --peers";
  }
  const unaware = members.filter(([, stage]) => stage === null).map(([member]) => member);
  if (unaware.length > 0) return `${name}: waiting until it is known to ${unaware.join(", ")}`;
  if (!dead && leaving === null) {
    return `${name}: waiting until ${name} itself hears of it; ` +
      `if it will not come back: converge remove --dead ${name}`;
  }
  const late = members.filter(([, stage]) => stage !== "done").map(([member]) => member);
  if (late.length === 0) return `${name}: all that it had is taken over`;
  const isSilent = heard.some((member) => member.name === name && member.state === "down");
  return `${name}: waiting until what it had is taken over by ${late.join(", ")}` +
    (dead || !isSilent
      ? ""
      : `; ${name} does not answer; if it will not come back: converge remove --dead ${name}`);
}
