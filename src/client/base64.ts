/** Base64 by what every runtime has: Node has `Uint8Array.fromBase64` from version 25 on only. */

/** Bytes in base64, padded. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The bytes of such a text. @throws {DOMException} When it is no base64. */
export function fromBase64(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
