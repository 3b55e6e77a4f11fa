/** The steps from the floor to Converge, see `ladder.ts`. */

/** One step, by name. */
export type Step = "log" | "peers" | "record" | "engine" | "handler";

/** Each with what it does besides all before it. */
export const LADDER: readonly { readonly step: Step; readonly title: string }[] = [
  { step: "log", title: "answers after an fsync of a log, shared by all that wait" },
  { step: "peers", title: "waits for one of two peers, which do the same" },
  { step: "record", title: "reads key and content type, encodes the record, answers an `etag`" },
  { step: "engine", title: "the storage engine, instead of the log, in all three" },
  { step: "handler", title: "Converge's handler of requests" },
];
