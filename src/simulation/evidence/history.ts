/** What clients saw: every operation with its beginning and end, in one total order. */
import { createHash } from "node:crypto";
import type { Version } from "../../record/version.ts";

/**
 * How an operation ended:
 * - `acked`: answered as done;
 * - `failed`: certainly not carried out (refused, unreachable, bad request);
 * - `indeterminate`: may or may not have been carried out, or may yet be.
 */
export type Outcome = "acked" | "failed" | "indeterminate";

/** One client operation. */
export interface Operation {
  readonly id: number;
  readonly client: string;
  readonly kind: "put" | "delete" | "get";
  readonly key: string;
  /** What a put stores: unique in the run. */
  readonly value?: string;
  /** How long the value is to live, counted from when its coordinator takes the put. */
  readonly ttlMs?: number;
  /** What request it was a part of, when not of one of its own: its interval is that request's. */
  readonly via?: "batch" | "list" | "clear";
  /** How many deadlines of one request it may take; default 1. */
  readonly deadlines?: number;
  /** Name of the node that was asked. */
  readonly node: string;
  /** Explicit `r` or `w`, if the request had one. */
  readonly quorum?: number;
  /** False when the explicit quorum is smaller than the cluster's: its guarantees are given up. */
  readonly full: boolean;
  readonly beginMs: number;
  /** Position in the order of all beginnings and ends. A before B in real time: `A.end < B.begin`. */
  readonly begin: number;
  endMs: number;
  /** Infinity while the operation is under way. */
  end: number;
  outcome: Outcome;
  /** HTTP status; 0 when no answer came. */
  status: number;
  /** Version of the answer, where it has one. */
  version?: Version;
  /** What a read found; null = absent. Only on acked reads. */
  found?: string | null;
  /** Error code or problem type, for people. */
  reason?: string;
  /** Where the value of a write that failed may be, as its coordinator says. */
  mayBeOn?: MayBeOn;
}

/** What a write that failed says of itself. */
export interface MayBeOn {
  readonly owners: readonly string[];
  /** Under which it was tried last; undefined: not at all. */
  readonly version?: Version;
}

/** How an operation begins. */
export type Beginning = Omit<
  Operation,
  "id" | "begin" | "beginMs" | "end" | "endMs" | "outcome" | "status"
>;

/** How an operation ends. */
export type Ending =
  & Pick<Operation, "outcome" | "status">
  & Partial<Pick<Operation, "version" | "found" | "reason" | "mayBeOn">>;

/** Everything that happened in a run, as it happened. */
export class History {
  readonly operations: Operation[] = [];
  /** One JSON text per event, in order: what `--trace` writes and the hash covers. */
  readonly lines: string[] = [];
  #sequence = 0;

  /** Where the order of all beginnings and ends has got to: what ended already is before it. */
  get position(): number {
    return this.#sequence;
  }

  begin(nowMs: number, beginning: Beginning): Operation {
    const operation: Operation = {
      ...beginning,
      id: this.operations.length,
      beginMs: nowMs,
      begin: this.#sequence++,
      endMs: Infinity,
      end: Infinity,
      outcome: "indeterminate",
      status: 0,
    };
    this.operations.push(operation);
    return operation;
  }

  end(nowMs: number, operation: Operation, ending: Ending): void {
    Object.assign(operation, ending, { endMs: nowMs, end: this.#sequence++ });
    this.lines.push(JSON.stringify({ event: "operation", ...operation }));
  }

  /** Notes a fault, a start, a stop or anything else worth a line. */
  note(nowMs: number, event: string, fields: Record<string, unknown> = {}): void {
    this.lines.push(JSON.stringify({ event, atMs: nowMs, ...fields }));
  }

  /** 16 hex digits that are equal exactly (but for chance) when the histories are. */
  hash(): string {
    const hash = createHash("sha256");
    for (const line of this.lines) hash.update(line).update("\n");
    return hash.digest("hex").slice(0, 16);
  }
}

/** The operations of each key, in the order of their beginnings. */
export function byKey(operations: readonly Operation[]): Map<string, Operation[]> {
  return Map.groupBy(operations, ({ key }) => key);
}
