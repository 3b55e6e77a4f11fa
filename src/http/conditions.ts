/** Conditions on writes, which this store has not. */
import { ConvergeError } from "../errors.ts";

const CONDITIONS = ["if-match", "if-none-match", "content-range"];

/**
 * Refuses a write on a condition, or of a part of a value. Done as if it was a plain one, it could overwrite
 * what its sender means to keep.
 *
 * @throws {ConvergeError} `bad_request`.
 */
export function refuseConditions(headers: Headers): void {
  for (const name of CONDITIONS) {
    // Not `has`: Deno makes a list of all headers for that, and keeps it for as long as the request.
    if (headers.get(name) === null) continue;
    throw new ConvergeError("bad_request", `Cannot write with ${name}: it is not supported`);
  }
}
