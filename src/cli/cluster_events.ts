/**
 * The live samples of a cluster, as `GET /events` of one node sends them once a second. That node
 * asks the others: so this works, too, where peers know each other by names that mean nothing here,
 * as in containers.
 */
import { ClientError, refusal } from "../client/client_error.ts";
import type { ClusterEvent } from "../http/cluster_watch.ts";

const FIRST_ANSWER_MS = 5_000;
/** Far more than the largest event, of 64 members. */
const EVENT_CHARS_MAX = 8 * 1024 * 1024;
const DATA = "data: ";

/**
 * Yields events until the node ends the stream or `signal` is aborted.
 *
 * @throws {ClientError} When the node cannot be reached or refuses.
 */
export async function* clusterEvents(
  url: string,
  signal: AbortSignal,
): AsyncGenerator<ClusterEvent> {
  const response = await connect(url, signal);
  let buffered = "";
  try {
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
      buffered += text;
      const blocks = buffered.split("\n\n");
      buffered = blocks.pop() ?? "";
      for (const block of blocks) {
        if (block.startsWith(DATA)) yield JSON.parse(block.slice(DATA.length));
      }
      if (buffered.length > EVENT_CHARS_MAX) {
        throw new ClientError(`Cannot watch ${url}: an event has no end`);
      }
    }
  } catch (cause) {
    if (signal.aborted) return;
    if (cause instanceof ClientError) throw cause;
    throw new ClientError(`Cannot watch ${url} any longer: the connection broke`, { cause });
  }
}

async function connect(url: string, signal: AbortSignal): Promise<Response> {
  // The deadline is for the answer only: the stream itself has no end.
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), FIRST_ANSWER_MS);
  let response: Response;
  try {
    const either = AbortSignal.any([signal, deadline.signal]);
    response = await fetch(`${url}/events`, { redirect: "manual", signal: either });
  } catch (cause) {
    const reason = deadline.signal.aborted ? `no answer within ${FIRST_ANSWER_MS} ms` : "no answer";
    throw new ClientError(`Cannot reach ${url}: ${reason}`, { cause });
  } finally {
    clearTimeout(timer);
  }
  if (response.ok && response.body !== null) return response;
  throw await refusal(url, response);
}
