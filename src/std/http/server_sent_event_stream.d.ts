/**
 * Types of `@std/http/server-sent-event-stream`, which the npm build carries none of.
 *
 * @module
 */

/** One event, as `text/event-stream` frames it. */
export interface ServerSentEventMessage {
  /** A comment, which clients ignore. */
  comment?: string;
  /** The event's name; clients take it for `message` where it is missing. */
  event?: string;
  /** The payload; line breaks are kept. */
  data?: string;
  /** What a client sends as `Last-Event-ID` when it connects again. */
  id?: string | number;
  /** After how many milliseconds a client is to connect again. */
  retry?: number;
}

/** Messages in, bytes of `text/event-stream` out (HTML standard, section 9.2). */
export class ServerSentEventStream
  extends TransformStream<ServerSentEventMessage, Uint8Array<ArrayBuffer>> {
  constructor();
}
