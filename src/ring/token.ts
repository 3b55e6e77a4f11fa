/**
 * Tokens: positions on the ring, 64 bits wide.
 *
 * A key's token is xxHash64 (seed 0) of its bytes: fast, well spread, and the same on every node and
 * in every version of Converge, since ownership follows from it. `docs/formats.md` names it as part
 * of the format.
 */
import xxhash from "xxhash-wasm";
import { type Key, keyFromText, keyToBytes } from "../record/key.ts";

/** A position on the ring: 0 <= token < 2^64. */
export type Token = bigint;

/** One past the largest token. */
export const TOKEN_END: Token = 2n ** 64n;

const hasher = await xxhash();
// deno-lint-ignore no-control-regex -- the range of ASCII begins with the control characters
const ASCII_ONLY = /^[\x00-\x7f]*$/;

/** The token of a key. */
export function tokenOf(key: Key): Token {
  return ASCII_ONLY.test(key) ? hasher.h64(key) : hasher.h64Raw(keyToBytes(key));
}

/** The tokens of a node: hashes of `<name>#0` .. `<name>#<count - 1>`, so they need no agreement. */
export function tokensOfNode(name: string, count: number): Token[] {
  return Array.from({ length: count }, (_, i) => tokenOf(keyFromText(`${name}#${i}`)));
}

/** A token as 16 hex digits. */
export function formatToken(token: Token): string {
  return token.toString(16).padStart(16, "0");
}
