/** One exchange of gossip: a view goes out, the other's comes back. */
import { ConvergeError } from "../../errors.ts";
import { type GossipMessage, parseGossipMessage } from "../../membership/gossip_message.ts";
import type { Platform } from "../../platform/platform.ts";
import { checkBody, requestChecksum } from "../peers/body_checksum.ts";
import { COUNTER_HEADER, parseCounterHeader } from "../peers/internal_protocol.ts";
import type { MessageAuth } from "../peers/message_auth.ts";

/** By what it goes. */
export interface GossipChannel {
  platform: Platform;
  auth: MessageAuth;
  timeoutMs: number;
}

/** What came back. */
export interface AnsweredView extends GossipMessage {
  /** The highest counter that the other has seen. */
  readonly counter: number;
}

const decoder = new TextDecoder();

/**
 * Sends a view.
 *
 * @returns The view that the other one answers; one of no members where it refused.
 * @throws {ConvergeError} `unreachable`, `timeout`, `corrupt_message`; `forged_message` where the other
 * one has another secret.
 */
export async function exchangeViews(
  { platform, auth, timeoutMs }: GossipChannel,
  { origin, body, headers }: {
    origin: string;
    body: Uint8Array<ArrayBuffer>;
    headers: Record<string, string>;
  },
): Promise<AnsweredView> {
  const path = "/internal/gossip";
  const response = await platform.network.request({
    method: "POST",
    origin,
    path,
    headers: auth.signed("POST", path, { ...headers, ...requestChecksum(path, body) }, body),
    body,
    timeoutMs,
  });
  if (response.status === 401) {
    throw new ConvergeError(
      "forged_message",
      `Cannot gossip with ${origin}: it has another secret`,
    );
  }
  if (response.status !== 200) return { from: "", members: [], counter: 0 };
  checkBody(response.headers, response.body);
  const counter = parseCounterHeader(response.headers.get(COUNTER_HEADER));
  return { ...parseView(response.body), counter };
}

/** @throws {ConvergeError} `corrupt_message`. */
export function parseView(body: Uint8Array): GossipMessage {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(body));
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read gossip: not JSON", { cause });
  }
  return parseGossipMessage(json);
}
