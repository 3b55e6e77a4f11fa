/** Bytes that stand for themselves in a JSON string: printable ASCII without quote and backslash. */

const QUOTE = 34;
const BACKSLASH = 92;

/** So many bytes are looked at one by one; what is longer goes on by words of four. */
const FIRST_BYTES = 128;

/** Where in `bytes` the first one from `start` on is that does not stand for itself; their end if none. */
export function plainBytesEnd(bytes: Uint8Array, start: number): number {
  const near = Math.min(bytes.byteLength, start + FIRST_BYTES);
  let at = start;
  while (at < near && isPlain(bytes[at]!)) at++;
  if (at < near || near === bytes.byteLength) return at;
  at = plainWordsEnd(bytes, at);
  while (at < bytes.byteLength && isPlain(bytes[at]!)) at++;
  return at;
}

function isPlain(byte: number): boolean {
  return byte >= 32 && byte <= 126 && byte !== QUOTE && byte !== BACKSLASH;
}

/** The same from `start` on, at most some bytes of one word too early: whole words are looked at, aligned. */
function plainWordsEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  for (; ((bytes.byteOffset + at) & 3) !== 0; at++) {
    if (at === bytes.byteLength || !isPlain(bytes[at]!)) return at;
  }
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.byteLength - at) >>> 2);
  let i = 0;
  while (i < words.length && isPlainWord(words[i]!)) i++;
  return at + 4 * i;
}

/**
 * Whether all four bytes are plain, without a look at each (after Anderson, "Bit Twiddling Hacks":
 * "Determine if a word has a zero byte", "... a byte less than n"). Each term has the high bit of some
 * byte set where a byte is
 *  - over 126: itself, or itself plus one,
 *  - under 32: minus 32,
 *  - a quote, a backslash: zero once that is taken away by exclusive or, minus one.
 * As long as no byte is over 127 nothing else sets one; and where one is, the first term tells.
 */
function isPlainWord(word: number): boolean {
  const high = word | (word + 0x01010101) | (word - 0x20202020) |
    ((word ^ 0x22222222) - 0x01010101) | ((word ^ 0x5c5c5c5c) - 0x01010101);
  return (high & 0x80808080) === 0;
}
