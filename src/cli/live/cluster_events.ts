/**
 * The live samples of a cluster, as `GET /events` of one node sends them once a second. That node
 * asks the others: so this works, too, where peers know each other by names that mean nothing here,
 * as in containers.
 */
import { type Answer, noNode, refusal } from "../../client/answer.ts";
import { ClientError } from "../../client/client_error.ts";
import type { ClusterEvent } from "../../http/cluster_watch.ts";

/** Events come every second; a node that is silent for so long does not answer. */
const SILENCE_MS = 5_000;
/** Far more than the largest event, of 64 members. */
const EVENT_CHARS_MAX = 8 * 1024 * 1024;
const DATA = "data: ";

/**
 * Yields events until the node ends the stream or `signal` is aborted.
 *
 * @throws {ClientError} When the node cannot be reached, refuses, or falls silent.
 */
export async function* clusterEvents(
  url: string,
  signal: AbortSignal,
  silenceMs: number = SILENCE_MS,
): AsyncGenerator<ClusterEvent> {
  const silence = new Silence(silenceMs);
  const either = AbortSignal.any([signal, silence.signal]);
  let buffered = "";
  try {
    const answer = await connect(url, either);
    for await (const text of answer.response.body!.pipeThrough(new TextDecoderStream())) {
      silence.putOff();
      buffered += text;
      const blocks = buffered.split("\n\n");
      buffered = blocks.pop() ?? "";
      for (const block of blocks) {
        if (block.startsWith(DATA)) yield eventOf(answer, block.slice(DATA.length));
      }
      if (buffered.length > EVENT_CHARS_MAX) {
        throw new ClientError(`Cannot watch ${url}: an event has no end`);
      }
    }
  } catch (cause) {
    if (signal.aborted) return;
    if (silence.signal.aborted) {
      throw new ClientError(`Cannot watch ${url}: no answer within ${silenceMs} ms`, { cause });
    }
    if (cause instanceof ClientError) throw cause;
    throw new ClientError(`Cannot watch ${url} any longer: the connection broke`, { cause });
  } finally {
    silence.end();
  }
}

/** Aborts when it was not put off for long. */
class Silence {
  readonly #abort = new AbortController();
  readonly #ms: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number) {
    this.#ms = ms;
    this.putOff();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  putOff(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(), this.#ms);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

function eventOf(answer: Answer, json: string): ClusterEvent {
  const event = JSON.parse(json);
  if (Array.isArray(event?.members) && Object.hasOwn(event, "quorums")) return event;
  throw noNode(answer, "it tells of no members");
}

async function connect(url: string, signal: AbortSignal): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`${url}/events`, { redirect: "manual", signal });
  } catch (cause) {
    throw new ClientError(`Cannot reach ${url}: no answer`, { cause });
  }
  if (response.ok && response.body !== null) return { url, response };
  throw await refusal({ url, response });
}
