/**
 * Whether the operations of one key can be put into one order that respects real time and in which
 * every read returns the last write: linearizability of a register.
 *
 * The algorithm is Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993) with
 * Lowe's memory of visited states ("Testing for Linearizability", 2017). The search is bounded.
 * Converge does not promise linearizability; this tells how often it is given all the same.
 */
import type { Operation } from "../evidence/history.ts";

/** The verdict on one key. `unknown`: the bound was reached. */
export type Linearizability = "linearizable" | "not linearizable" | "unknown";

/** States that the search visits at most. */
const STATES_MAX = 20_000;

/** One operation as the search sees it. */
export interface Step {
  begin: number;
  /** Infinity for a write that may take effect at any time later, or never. */
  end: number;
  write: boolean;
  /** What is written or read; null = absent. */
  value: string | null;
}

/**
 * Judges the operations of one key. Reads without an answer, reads at a smaller quorum and certain
 * failures say nothing; an indeterminate write may happen at any time after it began.
 */
export function checkLinearizability(
  operations: readonly Operation[],
  statesMax = STATES_MAX,
): Linearizability {
  return checkSteps(operations.flatMap(stepOf), statesMax);
}

/** Judges steps, in any order. */
export function checkSteps(steps: readonly Step[], statesMax = STATES_MAX): Linearizability {
  return search(steps.toSorted((a, b) => a.begin - b.begin), statesMax);
}

/**
 * A smallest part of a history that is not linearizable: no single operation can be left out
 * without losing that, and no write is left out that one of the reads may have read.
 */
export function smallestCounterexample(operations: readonly Operation[]): Operation[] {
  let kept = operations.filter((operation) => stepOf(operation).length > 0);
  // A write can go once the reads of its value have gone: most of them, but not all, began later.
  for (let before = Infinity; kept.length < before;) {
    before = kept.length;
    for (let i = kept.length - 1; i >= 0; i--) {
      const fewer = kept.toSpliced(i, 1);
      if (!explainsReads(fewer, operations)) continue;
      if (checkLinearizability(fewer) === "not linearizable") kept = fewer;
    }
  }
  return kept;
}

/** Whether `part` has all that its reads may have read of `whole`: deletions too. */
function explainsReads(part: readonly Operation[], whole: readonly Operation[]): boolean {
  const kept = new Set(part);
  const written = new Set(part.map(({ value }) => value));
  const left = whole.filter((one) => !kept.has(one) && one.kind === "delete");
  return part.every((read) => {
    if (typeof read.found === "string") return written.has(read.found);
    if (read.found === undefined) return true;
    return left.every((deletion) => !mayHaveRead(read, deletion, whole));
  });
}

/** Whether an absence may be that of `deletion`, and no write for certain between them. */
function mayHaveRead(
  read: Operation,
  deletion: Operation,
  whole: readonly Operation[],
): boolean {
  if (stepOf(deletion).length === 0 || deletion.begin > read.end) return false;
  return !whole.some((between) =>
    between.kind !== "get" && between.outcome === "acked" &&
    endOf(deletion) < between.begin && between.end < read.begin
  );
}

/** When it has happened at the latest. */
function endOf({ outcome, end }: Operation): number {
  return outcome === "acked" ? end : Infinity;
}

function stepOf(operation: Operation): Step[] {
  const { kind, outcome, full, begin, end, value = null, found = null } = operation;
  if (outcome === "failed") return [];
  if (kind !== "get") {
    return [{ begin, end: endOf(operation), write: true, value }];
  }
  return outcome === "acked" && full ? [{ begin, end, write: false, value: found }] : [];
}

/**
 * Depth-first: takes any step that no other remaining step precedes, until all steps that ended are
 * taken. A state is the set of taken steps and the register's value.
 */
function search(steps: readonly Step[], statesMax: number): Linearizability {
  const seen = new Set<string>();
  const taken = new Uint8Array(steps.length);
  let left = steps.filter(({ end }) => end !== Infinity).length;
  let bounded = false;

  const visit = (value: string | null): boolean => {
    if (left === 0) return true;
    const state = `${taken.join("")} ${value}`;
    if (seen.has(state)) return false;
    if (seen.size >= statesMax) {
      bounded = true;
      return false;
    }
    seen.add(state);
    // A step can be next only if it began before every remaining step ended.
    const firstEnd = steps.reduce(
      (min, step, i) => taken[i] === 0 && step.end < min ? step.end : min,
      Infinity,
    );
    for (const [i, step] of steps.entries()) {
      if (step.begin > firstEnd) break;
      if (taken[i] === 1 || (!step.write && step.value !== value)) continue;
      taken[i] = 1;
      if (step.end !== Infinity) left--;
      if (visit(step.write ? step.value : value)) return true;
      taken[i] = 0;
      if (step.end !== Infinity) left++;
    }
    return false;
  };

  if (visit(null)) return "linearizable";
  return bounded ? "unknown" : "not linearizable";
}
