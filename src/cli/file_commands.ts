/** The commands that need no running node: `doctor`, `inspect` and `sim`. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { DenoDisk } from "../platform/deno/deno_disk.ts";
import { ALL_DEFECTS } from "../simulation/defects/all_defects.ts";
import { runDoctor } from "./doctor.ts";
import { type Flags, integer, withExamples } from "./options/flags.ts";
import { runInspect } from "./inspect.ts";
import { runSim, SEED_MAX } from "./sim.ts";
import { printLine } from "./output/terminal.ts";

/** Where a command that did its work and found a fault leaves its exit code. */
export interface Outcome {
  exitCode: number;
}

/** Adds `doctor` and `inspect`. */
export function addFiles(program: Command, outcome: Outcome): void {
  const doctor = program.command("doctor")
    .description("check the data directory of a node that is down");
  withExamples(doctor, [
    "converge doctor --data ./data/node1",
    "converge doctor --data ./data/node1 --salvage",
  ]);
  doctor.requiredOption("--data <directory>", "the node's data directory, like ./data/node1")
    .option("--salvage", "move what is damaged aside and keep the rest")
    .option("--json", "print JSON")
    .action(async (flags: Flags) => {
      outcome.exitCode = await runDoctor({
        disk: new DenoDisk(),
        directory: String(flags.data),
        salvage: flags.salvage === true,
        json: flags.json === true,
        print: printLine,
      });
    });
  const inspect = program.command("inspect")
    .description("show what a log, a table or a manifest holds");
  withExamples(inspect, [
    "converge inspect ./data/node1/manifest.jsonl",
    "converge inspect ./data/node1/000001.log --json",
  ]);
  inspect.argument("<file>", "a *.log, a *.sst or manifest.jsonl of a data directory").option(
    "--json",
    "print JSON",
  )
    .action((file: string, flags: Flags) => {
      const json = flags.json === true;
      outcome.exitCode = runInspect({ disk: new DenoDisk(), file, json, print: printLine });
    });
}

/** Adds `sim`. @param entry URL of the entry, which the Workers load again. */
export function addSim(program: Command, entry: string, outcome: Outcome): void {
  const sim = program.command("sim")
    .description("run whole clusters under virtual time and every fault");
  withExamples(sim, [
    "converge sim --seed 42",
    "converge sim --seeds 1000 --jobs 2",
    "converge sim --seed 42 --trace ./data/history.jsonl",
    "converge sim --seeds 100 --json | jq -c 'select(.violations != [])'",
  ]);
  sim.option("--seed <number>", "the seed, or the first of several", integer(0, SEED_MAX), 1)
    .option("--seeds <count>", "how many seeds to run", integer(1, SEED_MAX), 1)
    .option("--jobs <count>", "Workers to share them among", integer(1, 256), 1)
    // What seeds draw for fewer is no plan, or takes more disks than replication mends.
    .option("--nodes <count>", "nodes, 3 at least; default: as the seed says", integer(3, 15))
    .option("--trace <file>", "write the whole history of one seed as JSON lines")
    .option("--plan <file>", "run the plan in a file instead of a seed's")
    .option("--shrink", "look for a smaller plan that fails")
    .option("--defect <name>", "put a defect in, to see it caught", knownDefect)
    .option("--json", "print one JSON line per seed")
    .addOption(new Option("--store <kind>", "what keeps the records").choices(["lsm", "journal"]))
    .action(async (flags: SimFlags) => {
      outcome.exitCode = await runSim({ ...flags, entry });
    });
}

/** The list is too long for the help: it comes with the refusal. */
function knownDefect(name: string): string {
  const names = ALL_DEFECTS.map((defect) => defect.name);
  if (names.includes(name)) return name;
  throw new InvalidArgumentError(`It must be one of ${names.join(", ")}.`);
}

/** What commander makes of the options of `sim`: those are checked as they are read. */
type SimFlags = Omit<Parameters<typeof runSim>[0], "entry">;
