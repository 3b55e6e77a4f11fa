/** Measures how many seeds it takes to catch each defect, and which checker objects. */
import { runSeed } from "../run_seed.ts";
import { ALL_DEFECTS } from "./all_defects.ts";
import type { Defect } from "./defect.ts";

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
    const { violations } = await runSeed(seed, { defect: defect.name });
    if (violations.length === 0) continue;
    return { defect, seeds: seed, checkers: [...new Set(violations.map((v) => v.checker))] };
  }
  return { defect, seeds: undefined, checkers: [] };
}

/** All of them, one after the other. */
export async function* catchAllDefects(): AsyncGenerator<Catch> {
  for (const defect of ALL_DEFECTS) yield await catchDefect(defect);
}
