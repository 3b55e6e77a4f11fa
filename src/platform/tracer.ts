/** Traces as a value that is passed in; a platform without one records nothing and costs nothing. */

/** One owner's part in a request. */
export interface TracedLeg {
  /** Name of the owner. */
  readonly owner: string;
  readonly outcome: string;
  /** Milliseconds from the start of the operation to the answer; absent when none came. */
  readonly ms?: number | undefined;
  readonly failed: boolean;
}

/** An operation being recorded, inside the span of the request that asked for it. */
export interface TracedOperation {
  /** Facts of the whole, such as its version. */
  set(facts: Readonly<Record<string, string | number | boolean>>): void;
  /** A span of its own for one owner. */
  leg(leg: TracedLeg): void;
}

/** Where traces go. */
export interface Tracer {
  /** Begins to record an operation; undefined when this request is not sampled. */
  begin(operation: string): TracedOperation | undefined;
}
