/** Arrays of bytes behind each other as one. */

/**
 * All bytes of `parts`, in order.
 *
 * @param memory Where they go if they fit; then the answer is a view on its beginning. Without it, or
 * where they do not fit, they go into a fresh array.
 */
export function joinBytes(
  parts: readonly Uint8Array[],
  memory?: ArrayBuffer,
): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  const fits = memory !== undefined && length <= memory.byteLength;
  const joined = fits ? new Uint8Array(memory, 0, length) : new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.byteLength;
  }
  return joined;
}
