/** Bodies of requests. */
import { ConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { joinBytes } from "../record/join_bytes.ts";
import { type Deadlined, DeadlineQueue } from "../replication/requests/deadline_queue.ts";
import { ByteRoom } from "./byte_room.ts";

/** Milliseconds in which a whole body must come: a megabyte of one over a slow line does. */
export const BODY_TIMEOUT_MS = 30_000;

/** Bytes that bodies under way may announce, or bring, together; a single one is always taken. */
export const UNDER_WAY_BYTES_MAX = 256 * 1024 * 1024;

/** A body up to so many bytes is read by the runtime in one go, which is quicker and cannot be given up. */
const WHOLE_BYTES_MAX = 64 * 1024;

/** What reading bodies needs of its node. */
export interface BodyReaderOptions {
  clock: Clock;
  /** Whether this node is about to end: the runtime breaks off bodies under way. */
  isStopping(): boolean;
}

/** Reads bodies: each up to a bound and for a limited time, all together up to another bound. */
export class BodyReader {
  readonly #clock: Clock;
  readonly #shared: Shared;

  /** @param bytesMax Of one body. */
  constructor({ clock, isStopping }: BodyReaderOptions, bytesMax: number) {
    this.#clock = clock;
    const deadlines = new DeadlineQueue(clock, BODY_TIMEOUT_MS);
    // What bodies under way take of memory, or will.
    const room = new ByteRoom(
      UNDER_WAY_BYTES_MAX,
      (bytes) => `Cannot take a body: bodies of ${bytes} bytes are under way`,
    );
    this.#shared = { bytesMax, deadlines, room, isStopping };
  }

  /**
   * Reads a whole body.
   *
   * @throws {ConvergeError} `value_too_large` when it is over the bound: nothing of it is kept;
   * `bad_request` when it breaks off or has a content coding; `slow_body`; `overloaded`; `closed`.
   */
  read(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    return new BodyUnderWay(request, this.#shared).read(this.#clock.monotonicMs());
  }
}

/** What the bodies of a reader have in common. */
interface Shared {
  readonly bytesMax: number;
  readonly room: ByteRoom;
  readonly deadlines: DeadlineQueue;
  isStopping(): boolean;
}

/** A body that somebody waits for. */
class BodyUnderWay implements Deadlined {
  deadlineMs = 0;
  previous: Deadlined | undefined;
  next: Deadlined | undefined;
  readonly #request: Request;
  readonly #shared: Shared;
  readonly #announcedBytes: number | undefined;
  #roomBytes = 0;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #resolve!: (bytes: Uint8Array<ArrayBuffer>) => void;
  #reject!: (error: unknown) => void;

  constructor(request: Request, shared: Shared) {
    this.#request = request;
    this.#shared = shared;
    this.#announcedBytes = announcedBytes(request.headers);
  }

  read(nowMs: number): Promise<Uint8Array<ArrayBuffer>> {
    const answer = new Promise<Uint8Array<ArrayBuffer>>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#shared.deadlines.add(this, nowMs);
    void this.#read();
    return answer;
  }

  /** Lets go of what has come, where it can be let go of. */
  onDeadline(): void {
    this.#fail(
      new ConvergeError("slow_body", `Cannot wait for the body over ${BODY_TIMEOUT_MS} ms`),
    );
    this.#reader?.cancel().catch(() => {});
  }

  async #read(): Promise<void> {
    const announced = this.#announcedBytes;
    try {
      // One that announces nothing takes its room as it comes.
      if (announced !== undefined) this.#takeRoom(Math.min(this.#shared.bytesMax, announced));
      const coding = this.#request.headers.get("content-encoding");
      const isWhole = coding === null && announced !== undefined &&
        announced <= Math.min(this.#shared.bytesMax, WHOLE_BYTES_MAX);
      const bytes = await (isWhole ? this.#request.bytes() : this.#readInPieces(coding));
      // One that a client of HTTP/2 gives up ends for the runtime as if it was all there.
      if ((announced ?? bytes.byteLength) !== bytes.byteLength) throw this.#brokeOff(undefined);
      this.#end();
      this.#resolve(bytes);
    } catch (cause) {
      this.#discardRest();
      this.#fail(cause instanceof ConvergeError ? cause : this.#brokeOff(cause));
    }
  }

  /** The runtime reads the rest and throws it away; left unread, it would end the connection. */
  #discardRest(): void {
    try {
      (this.#reader ?? this.#request.body)?.cancel().catch(() => {});
    } catch {
      // Its time was over, so that it was answered before it broke off: the runtime has no body any more.
    }
  }

  async #readInPieces(coding: string | null): Promise<Uint8Array<ArrayBuffer>> {
    // Kept as it is, it would be given back without its coding; unpacked, it would have no bound.
    if (coding !== null && coding.toLowerCase() !== "identity") {
      throw new ConvergeError("bad_request", `Cannot take a body with content coding ${coding}`);
    }
    // As above: the runtime takes the chunks apart, and nothing else.
    const transfer = this.#request.headers.get("transfer-encoding") ?? "chunked";
    if (transfer.toLowerCase() !== "chunked") {
      throw new ConvergeError("bad_request", `Cannot take a body with transfer coding ${transfer}`);
    }
    if (this.#request.body === null) return new Uint8Array();
    this.#reader = this.#request.body.getReader();
    if ((this.#announcedBytes ?? 0) > this.#shared.bytesMax) throw tooLarge(this.#shared.bytesMax);
    return await this.#readAll(this.#reader);
  }

  async #readAll(
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (true) {
      const { done, value } = await reader.read();
      if (done) return joinBytes(chunks);
      length += value.byteLength;
      if (length > this.#shared.bytesMax) throw tooLarge(this.#shared.bytesMax);
      if (this.#announcedBytes === undefined) this.#takeRoom(value.byteLength);
      chunks.push(value);
    }
  }

  #takeRoom(bytes: number): void {
    this.#shared.room.take(bytes);
    this.#roomBytes += bytes;
  }

  #brokeOff(cause: unknown): ConvergeError {
    return this.#shared.isStopping()
      ? new ConvergeError("closed", "Cannot wait for the body: the node is stopping", { cause })
      : new ConvergeError("bad_request", "Cannot read the body: it broke off", { cause });
  }

  /** The runtime may go on waiting for one whose time is over: its room is given back now. */
  #fail(error: ConvergeError): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#shared.deadlines.remove(this);
    this.#shared.room.giveBack(this.#roomBytes);
    this.#roomBytes = 0;
  }
}

/** Undefined where a request says nothing, or what is no number. */
function announcedBytes(headers: Headers): number | undefined {
  const bytes = Number(headers.get("content-length") ?? NaN);
  return bytes >= 0 ? bytes : undefined;
}

function tooLarge(bytesMax: number): ConvergeError {
  return new ConvergeError("value_too_large", `Cannot take a body over ${bytesMax} bytes`);
}
