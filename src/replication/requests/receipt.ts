/**
 * Receipts: what was done for a request, as JSON for `?explain=1` and for problem documents. Types alone,
 * which need no package.
 */
/** What one owner did. */
export interface OwnerReceipt {
  name: string;
  outcome: string;
  version?: string;
  /** Milliseconds from the start of the request to the answer. */
  ms?: number;
  countsForQuorum: boolean;
  /** The answer came after fsync (writes that were stored). */
  fsynced?: boolean;
  /** Where it found its copy: `memtable` or the name of a table. */
  from?: string;
  repaired?: boolean;
  hinted?: boolean;
}

/** What was done for a request. */
export interface Receipt {
  operation: "put" | "get" | "delete";
  /** Base64 where it is not UTF-8. */
  key: { k: string } | { kb: string };
  token: string;
  coordinator: string;
  quorums: { n: number; r: number; w: number };
  /**
   * Whether promises 2 and 3 apply: 2 W > N held for a write; R + W > N and 2 R > N for a read, which
   * might go back else between values of which none was acknowledged yet.
   */
  strict: boolean;
  required: number;
  result: string;
  why: string;
  version?: string;
  attempts?: number;
  ms: number;
  /** Whether the value may be stored although the request failed, and on which owners. */
  indeterminate?: boolean;
  mayBeOn?: string[];
  owners: OwnerReceipt[];
}
