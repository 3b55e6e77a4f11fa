/** Bodies of requests, read up to a bound. */
import { ConvergeError } from "../errors.ts";

/**
 * Of a body that is too large, as much again as would have been allowed is read and thrown away, and
 * at least this: an answer to a body that was not read would end its connection.
 */
const DISCARD_BYTES_MIN = 64 * 1024;

/**
 * Reads a whole body.
 *
 * @throws {ConvergeError} `value_too_large` when it is over `bytesMax`: nothing of it
 * is kept; `bad_request` when it breaks off or has a content coding.
 */
export function readBody(request: Request, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const coding = request.headers.get("content-encoding");
  const announced = request.headers.get("content-length");
  if (coding === null && announced !== null && Number(announced) <= bytesMax) {
    return request.bytes().catch(brokeOff);
  }
  return readUnusualBody(request, bytesMax);
}

async function readUnusualBody(
  request: Request,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  // Kept as it is, it would be given back without its coding; unpacked, it would have no bound.
  const coding = request.headers.get("content-encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    throw new ConvergeError("bad_request", `Cannot take a body with content coding ${coding}`);
  }
  const announced = request.headers.get("content-length");
  try {
    if (announced !== null && Number(announced) > bytesMax) {
      if (request.body !== null) await discard(request.body.getReader(), bytesMax);
      throw tooLarge(bytesMax);
    }
    if (announced !== null) return await request.bytes();
    return request.body === null ? new Uint8Array() : await readStream(request.body, bytesMax);
  } catch (cause) {
    if (cause instanceof ConvergeError) throw cause;
    return brokeOff(cause);
  }
}

function brokeOff(cause: unknown): never {
  throw new ConvergeError("bad_request", "Cannot read the body: it broke off", { cause });
}

async function readStream(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > bytesMax) {
      await discard(reader, bytesMax);
      throw tooLarge(bytesMax);
    }
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

/** Reads on to the end of a body, unless it is beyond all measure. */
async function discard(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  bytesMax: number,
): Promise<void> {
  let allowance = Math.max(bytesMax, DISCARD_BYTES_MIN);
  while (allowance > 0) {
    const { done, value } = await reader.read();
    if (done) return;
    allowance -= value.byteLength;
  }
  await reader.cancel().catch(() => {});
}

function tooLarge(bytesMax: number): ConvergeError {
  return new ConvergeError("value_too_large", `Cannot take a body over ${bytesMax} bytes`);
}
