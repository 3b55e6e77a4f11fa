/**
 * `deno task sim:defects`: puts every defect in, counts the seeds until it is caught, and writes the
 * table into `docs/guarantees.md`. Seeds run in two Workers, which are this same file.
 */
import { runSeeds, SEED_WORKER_NAME, serveSeeds } from "../cli/seed_pool.ts";
import { ALL_DEFECTS } from "../simulation/defects/all_defects.ts";
import { type Catch, catchOf } from "../simulation/catch_defects.ts";
import type { Defect } from "../simulation/defects/defect.ts";
import type { SeedSummary } from "../simulation/run_seed.ts";
import { replaceSection } from "./document_section.ts";

const DOCUMENT = new URL("../../docs/guarantees.md", import.meta.url);
const JOBS = 2;

/** Seeds 1, 2, ... until one is broken. */
async function catchInWorkers(defect: Defect): Promise<Catch> {
  const summaries: SeedSummary[] = [];
  await runSeeds({
    firstSeed: 1,
    seeds: defect.seedsMax,
    jobs: JOBS,
    entry: import.meta.url,
    defect: defect.name,
    onSummary: (summary) => {
      summaries.push(summary);
      return summary.violations.length === 0;
    },
  });
  return catchOf(defect, summaries);
}

function rowOf({ defect, seeds, checkers }: Catch): string {
  const names = checkers.map((name) => `\`${name}\``).join(", ");
  const needed = seeds ?? `not within ${defect.seedsMax}`;
  return `| \`${defect.name}\` | ${defect.about} | ${names} | ${needed} | ${defect.seedsMax} |`;
}

async function writeTable(): Promise<boolean> {
  const catches: Catch[] = [];
  for (const defect of ALL_DEFECTS) {
    const one = await catchInWorkers(defect);
    catches.push(one);
    console.log(`${defect.name}: ${one.seeds ?? `not caught in ${defect.seedsMax}`}`);
  }
  const table = [
    "| defect | what is wrong | checkers that caught it | seeds needed | at most |",
    "| --- | --- | --- | ---: | ---: |",
    ...catches.map(rowOf),
  ].join("\n");
  const document = Deno.readTextFileSync(DOCUMENT);
  Deno.writeTextFileSync(DOCUMENT, replaceSection(document, "defects", table));
  return catches.every(({ seeds }) => seeds !== undefined);
}

if ((globalThis as { name?: string }).name === SEED_WORKER_NAME) serveSeeds();
else Deno.exit(await writeTable() ? 0 : 1);
