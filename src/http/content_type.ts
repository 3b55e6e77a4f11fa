/** The content type that a client gives a value. */
import { ConvergeError } from "../errors.ts";
import { CONTENT_TYPE_LENGTH_MAX } from "../record/record.ts";
import { isContentType } from "../record/record_line.ts";

/** What a header's value loses on its way (RFC 9110, section 5.5). */
const SPACE_AROUND = /^[\t ]+|[\t ]+$/g;

/**
 * A content type that can be kept, and given back as a header, without what a header would lose;
 * undefined when there is none. An empty one is none.
 *
 * @throws {ConvergeError} `bad_request`.
 */
export function checkedContentType(contentType: unknown): string | undefined {
  if (contentType === undefined) return undefined;
  if (isContentType(contentType)) return contentType.replace(SPACE_AROUND, "") || undefined;
  throw new ConvergeError(
    "bad_request",
    `Cannot keep the content type: it must be a text of at most ${CONTENT_TYPE_LENGTH_MAX} ` +
      "characters that a header can hold",
  );
}
