/** Bodies of requests. */
import { ConvergeError } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { type Deadlined, DeadlineQueue } from "../replication/deadline_queue.ts";

/** Milliseconds in which a whole body must come: a megabyte of one over a slow line does. */
export const BODY_TIMEOUT_MS = 30_000;

/** Bytes that bodies under way may announce, or bring, together; a single one is always taken. */
export const UNDER_WAY_BYTES_MAX = 256 * 1024 * 1024;

/** A body up to so many bytes is read by the runtime in one go, which is quicker and cannot be given up. */
const WHOLE_BYTES_MAX = 64 * 1024;

/** Reads bodies: each up to a bound and for a limited time, all together up to another bound. */
export class BodyReader {
  readonly #clock: Clock;
  readonly #deadlines: DeadlineQueue;
  readonly #bytesMax: number;
  #underWayBytes = 0;

  /** @param bytesMax Of one body. */
  constructor(clock: Clock, bytesMax: number) {
    this.#clock = clock;
    this.#deadlines = new DeadlineQueue(clock, BODY_TIMEOUT_MS);
    this.#bytesMax = bytesMax;
  }

  /**
   * Reads a whole body.
   *
   * @throws {ConvergeError} `value_too_large` when it is over the bound: nothing of it is kept;
   * `bad_request` when it breaks off or has a content coding; `slow_body`; `overloaded`.
   */
  read(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    const announced = request.headers.get("content-length");
    let room = 0;
    const takeRoom = (bytes: number): void => {
      if (this.#underWayBytes > 0 && this.#underWayBytes + bytes > UNDER_WAY_BYTES_MAX) {
        throw overloaded(this.#underWayBytes);
      }
      this.#underWayBytes += bytes;
      room += bytes;
    };
    try {
      if (announced !== null) takeRoom(Math.min(this.#bytesMax, Number(announced)));
    } catch (error) {
      request.body?.cancel().catch(() => {});
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      // One that announces nothing takes its room as it comes.
      const onPiece = announced === null ? takeRoom : () => {};
      const end = () => {
        this.#deadlines.remove(body);
        this.#underWayBytes -= room;
        room = 0;
      };
      // The runtime may go on waiting for one whose time is over: its room is given back now.
      const fail = (error: unknown) => {
        end();
        reject(error);
      };
      const body = new BodyUnderWay(request, this.#bytesMax, onPiece, fail);
      this.#deadlines.add(body, this.#clock.monotonicMs());
      body.read(announced).then((read) => {
        end();
        resolve(read);
      }, fail);
    });
  }
}

/** A body that somebody waits for. */
class BodyUnderWay implements Deadlined {
  deadlineMs = 0;
  previous: Deadlined | undefined;
  next: Deadlined | undefined;
  readonly #request: Request;
  readonly #bytesMax: number;
  readonly #onPiece: (bytes: number) => void;
  readonly #fail: (error: ConvergeError) => void;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  /** @param onPiece Told of the bytes of each piece; throws where those are too many. */
  constructor(
    request: Request,
    bytesMax: number,
    onPiece: (bytes: number) => void,
    fail: (error: ConvergeError) => void,
  ) {
    this.#request = request;
    this.#bytesMax = bytesMax;
    this.#onPiece = onPiece;
    this.#fail = fail;
  }

  read(announced: string | null): Promise<Uint8Array<ArrayBuffer>> {
    const { headers } = this.#request;
    const coding = headers.get("content-encoding");
    const length = announced === null ? Infinity : Number(announced);
    if (coding === null && length <= Math.min(this.#bytesMax, WHOLE_BYTES_MAX)) {
      return this.#request.bytes().catch(brokeOff);
    }
    return this.#readInPieces(coding, length).catch((error) => {
      // The runtime reads the rest and throws it away; left unread, it would end the connection.
      (this.#reader ?? this.#request.body)?.cancel().catch(() => {});
      return brokeOff(error);
    });
  }

  /** Lets go of what has come, where it can be let go of. */
  onDeadline(): void {
    this.#fail(
      new ConvergeError("slow_body", `Cannot wait for the body over ${BODY_TIMEOUT_MS} ms`),
    );
    this.#reader?.cancel().catch(() => {});
  }

  async #readInPieces(coding: string | null, announced: number): Promise<Uint8Array<ArrayBuffer>> {
    // Kept as it is, it would be given back without its coding; unpacked, it would have no bound.
    if (coding !== null && coding.toLowerCase() !== "identity") {
      throw new ConvergeError("bad_request", `Cannot take a body with content coding ${coding}`);
    }
    if (this.#request.body === null) return new Uint8Array();
    this.#reader = this.#request.body.getReader();
    if (announced !== Infinity && announced > this.#bytesMax) throw tooLarge(this.#bytesMax);
    return await readAll(this.#reader, this.#bytesMax, this.#onPiece);
  }
}

function brokeOff(cause: unknown): never {
  if (cause instanceof ConvergeError) throw cause;
  throw new ConvergeError("bad_request", "Cannot read the body: it broke off", { cause });
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  bytesMax: number,
  onPiece: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > bytesMax) throw tooLarge(bytesMax);
    onPiece(value.byteLength);
    chunks.push(value);
  }
  const body = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

function overloaded(underWayBytes: number): ConvergeError {
  return new ConvergeError(
    "overloaded",
    `Cannot take a body: bodies of ${underWayBytes} bytes are under way`,
  );
}

function tooLarge(bytesMax: number): ConvergeError {
  return new ConvergeError("value_too_large", `Cannot take a body over ${bytesMax} bytes`);
}
