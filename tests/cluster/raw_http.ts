/** HTTP/1.1 over a bare socket: a client library would tidy up what is to be sent. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A whole answer as it came. */
export interface RawResponse {
  status: number;
  /** Names in lower case. */
  headers: Map<string, string>;
  body: string;
}

/** A connection that sends what it is given and reads one answer at a time. */
export class RawConnection implements Disposable {
  readonly #connection: Deno.TcpConn;
  #unread = "";

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async open(port: number): Promise<RawConnection> {
    return new RawConnection(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends text (as UTF-8) or bytes as they are. */
  async send(data: string | Uint8Array): Promise<void> {
    let rest = typeof data === "string" ? encoder.encode(data) : data;
    while (rest.byteLength > 0) rest = rest.subarray(await this.#connection.write(rest));
  }

  /**
   * Reads one answer; its body must have a `Content-Length`, or be empty.
   *
   * @throws {Error} When it is not there by the deadline, or the connection ends before.
   */
  async read({ method = "GET", deadlineMs = 30_000 } = {}): Promise<RawResponse> {
    const head = await this.#take(deadlineMs, (text) => {
      const end = text.indexOf("\r\n\r\n");
      return end < 0 ? undefined : end + 4;
    });
    const [statusLine = "", ...lines] = head.trimEnd().split("\r\n");
    const headers = new Map(lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
    const length = method === "HEAD" ? 0 : Number(headers.get("content-length") ?? 0);
    const body = await this.#take(deadlineMs, (text) => text.length >= length ? length : undefined);
    return { status: Number(statusLine.split(" ")[1]), headers, body };
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  /** Reads until `endOf` finds an end in the text (all answers here are ASCII). */
  async #take(deadlineMs: number, endOf: (text: string) => number | undefined): Promise<string> {
    const buffer = new Uint8Array(64 * 1024);
    const timer = setTimeout(() => this.#connection.close(), deadlineMs);
    try {
      while (true) {
        const end = endOf(this.#unread);
        if (end !== undefined) {
          const taken = this.#unread.slice(0, end);
          this.#unread = this.#unread.slice(end);
          return taken;
        }
        const length = await this.#connection.read(buffer);
        if (length === null) throw new Error(`The connection ended after ${this.#unread}`);
        this.#unread += decoder.decode(buffer.subarray(0, length));
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
