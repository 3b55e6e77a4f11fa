/** Bytes that are gathered, in memory that grows with them. */
const encoder = new TextEncoder();

export class ByteBuffer {
  /** Invariant: the first `length` count, room follows. */
  bytes: Uint8Array;
  length = 0;

  constructor(roomBytes: number) {
    this.bytes = new Uint8Array(roomBytes);
  }

  /** What was gathered: a view that holds until the next change. */
  get gathered(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.byteLength);
    this.bytes.set(bytes, this.length);
    this.length += bytes.byteLength;
  }

  /** Appends a text in UTF-8. */
  appendText(text: string): void {
    this.reserve(text.length * 3);
    this.length += encoder.encodeInto(text, this.bytes.subarray(this.length)).written;
  }

  /** Makes room for so many bytes more. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.byteLength) return;
    const larger = new Uint8Array(Math.max(this.bytes.byteLength * 2, needed));
    larger.set(this.gathered);
    this.bytes = larger;
  }
}
