/**
 * Proof that a message comes from a node of this cluster: an HMAC-SHA-256 (RFC 2104) under a secret
 * that all nodes share, over method, path, all `converge-` headers and the body. Without a secret,
 * whoever reaches the port is believed.
 *
 * A replayed message proves nothing new and does no harm: records are versioned, and what is below
 * the horizon is not taken.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { ConvergeError } from "../../errors.ts";

/** Header: the proof, in hex. */
export const SIGNATURE_HEADER = "converge-signature";

const SIGNED_PREFIX = "converge-";
const NOTHING = new Uint8Array();

/** What is proved. */
export interface SignedMessage {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Iterable<readonly [name: string, value: string]>;
  readonly body: Uint8Array | undefined;
}

/** Signs and checks messages; without a secret they have no proof. */
export class MessageAuth {
  readonly #key: Uint8Array | undefined;

  /** @param secret Empty: none. */
  constructor(secret: string) {
    this.#key = secret === "" ? undefined : utf8ToBytes(secret);
  }

  /** The headers of a message with its proof among them. */
  signed(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: Uint8Array | undefined,
  ): Record<string, string> {
    if (this.#key === undefined) return headers;
    const message = { method, path, headers: Object.entries(headers), body };
    return { ...headers, [SIGNATURE_HEADER]: proofOf(this.#key, message) };
  }

  /**
   * Whether the proof holds; without a secret, whether there is none. Who has a secret takes nothing from
   * a node that has none, and were it heard nevertheless, it would be an owner on which nothing is stored.
   */
  holds(message: SignedMessage, proof: string | null): boolean {
    if (this.#key === undefined) return proof === null;
    return proof !== null && isEqual(proof, proofOf(this.#key, message));
  }

  /** @throws {ConvergeError} `forged_message` where it does not hold. */
  check(message: SignedMessage, proof: string | null): void {
    if (this.holds(message, proof)) return;
    throw new ConvergeError("forged_message", "Cannot take a message without this cluster's proof");
  }
}

function proofOf(key: Uint8Array, { method, path, headers, body }: SignedMessage): string {
  const signed = [...headers]
    .filter(([name]) => name.startsWith(SIGNED_PREFIX) && name !== SIGNATURE_HEADER)
    .map(([name, value]) => `${name}:${value}\n`)
    .sort();
  const head = utf8ToBytes(`${method} ${path}\n${signed.join("")}\n`);
  return bytesToHex(hmac(sha256, key, concatBytes(head, body ?? NOTHING)));
}

/** Takes the same time wherever two texts differ. */
function isEqual(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
