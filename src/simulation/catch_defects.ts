/** Measures how many seeds it takes to catch each defect, and which checker objects. */
import { runSeed, type SeedSummary } from "./run_seed.ts";
import type { Defect } from "./defects/defect.ts";

/** How a defect was caught. */
export interface Catch {
  readonly defect: Defect;
  /** Seeds run until the first violation, that one included; undefined when there was none. */
  readonly seeds: number | undefined;
  /** The checkers that objected to that run. */
  readonly checkers: readonly string[];
}

/** Runs seeds 1, 2, ... with a defect until one is broken, at most `defect.seedsMax`. */
export async function catchDefect(defect: Defect): Promise<Catch> {
  for (let seed = 1; seed <= defect.seedsMax; seed++) {
    const summary = await runSeed(seed, { defect: defect.name });
    if (summary.violations.length > 0) return catchOf(defect, [summary]);
  }
  return catchOf(defect, []);
}

/** The catch, given what was run: all seeds up to the first that is broken, in any order. */
export function catchOf(defect: Defect, summaries: readonly SeedSummary[]): Catch {
  const [first] = summaries.filter(({ violations }) => violations.length > 0)
    .sort((a, b) => a.seed - b.seed);
  const checkers = new Set(first?.violations.map(({ checker }) => checker));
  return { defect, seeds: first?.seed, checkers: [...checkers] };
}
