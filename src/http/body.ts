/** Bodies of requests, read up to a bound. */
import { ConvergeError } from "../errors.ts";

/**
 * Reads a whole body.
 *
 * @throws {ConvergeError} `value_too_large` when it is over `bytesMax`, found from `Content-Length`
 * before anything is read; `bad_request` when it breaks off or has a content coding.
 */
export async function readBody(
  request: Request,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  // Kept as it is, it would be given back without its coding; unpacked, it would have no bound.
  const coding = request.headers.get("content-encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    throw new ConvergeError("bad_request", `Cannot take a body with content coding ${coding}`);
  }
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > bytesMax) throw tooLarge(bytesMax);
  try {
    if (announced !== null) return new Uint8Array(await request.arrayBuffer());
    return request.body === null ? new Uint8Array() : await readStream(request.body, bytesMax);
  } catch (cause) {
    if (cause instanceof ConvergeError) throw cause;
    throw new ConvergeError("bad_request", "Cannot read the body: it broke off", { cause });
  }
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
      await reader.cancel().catch(() => {});
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

function tooLarge(bytesMax: number): ConvergeError {
  return new ConvergeError("value_too_large", `Cannot take a body over ${bytesMax} bytes`);
}
