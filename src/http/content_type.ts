/** The content type that a client gives a value. */
import { ConvergeError } from "../errors.ts";
import { CONTENT_TYPE_LENGTH_MAX } from "../record/record.ts";
import { isContentType } from "../record/record_line.ts";

/**
 * A content type that can be kept, and given back as a header; undefined when there is none.
 *
 * @throws {ConvergeError} `bad_request`.
 */
export function checkedContentType(contentType: unknown): string | undefined {
  if (contentType === undefined || isContentType(contentType)) return contentType;
  throw new ConvergeError(
    "bad_request",
    `Cannot keep the content type: it must be a text of at most ${CONTENT_TYPE_LENGTH_MAX} ` +
      "characters that a header can hold",
  );
}
