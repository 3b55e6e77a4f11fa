/** A TCP proxy in front of a node that can be blocked: what is sent there is neither taken nor refused. */

/** Forwards a port to another. */
export class BlockableProxy implements AsyncDisposable {
  readonly port: number;
  /** What each connection began with: what was asked, and what was answered. */
  readonly begun: { asked: string; answered: string }[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #targetPort: number;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;
  #blocked = false;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** Breaks all connections, and takes new ones without an answer. */
  block(): void {
    this.#blocked = true;
    this.#closeAll();
  }

  unblock(): void {
    this.#blocked = false;
    this.#closeAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#closeAll();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for await (const incoming of this.#listener) {
      this.#open.add(incoming);
      if (!this.#blocked) void this.#forward(incoming);
    }
  }

  async #forward(incoming: Deno.TcpConn): Promise<void> {
    let outgoing: Deno.TcpConn;
    try {
      outgoing = await Deno.connect({ hostname: "127.0.0.1", port: this.#targetPort });
    } catch {
      this.#close(incoming);
      return;
    }
    this.#open.add(outgoing);
    const begun = { asked: "", answered: "" };
    this.begun.push(begun);
    await Promise.allSettled([
      incoming.readable.pipeThrough(firstOf((text) => begun.asked = text))
        .pipeTo(outgoing.writable),
      outgoing.readable.pipeThrough(firstOf((text) => begun.answered = text))
        .pipeTo(incoming.writable),
    ]);
    this.#close(incoming);
    this.#close(outgoing);
  }

  #closeAll(): void {
    for (const connection of this.#open) this.#close(connection);
  }

  #close(connection: Deno.TcpConn): void {
    this.#open.delete(connection);
    try {
      connection.close();
    } catch {
      // The other side was quicker.
    }
  }
}

/** Lets everything through and tells of the first piece. */
function firstOf(
  tell: (text: string) => void,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let isFirst = true;
  return new TransformStream({
    transform(chunk, controller) {
      if (isFirst) tell(new TextDecoder().decode(chunk));
      isFirst = false;
      controller.enqueue(chunk);
    },
  });
}
