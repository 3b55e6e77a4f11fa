/** The commands that look at a running cluster. */
import { type Command, Option } from "commander";
import { ownPrefix, runBench } from "./bench.ts";
import { COMPLETION_SHELLS, completionScript } from "./completions.ts";
import {
  duration,
  type Flags,
  integer,
  KEY_ARGUMENT,
  size,
  urlOf,
  urlsOf,
  withExamples,
  withUrl,
  withUrls,
} from "./options/flags.ts";
import { runHealth } from "./health.ts";
import { runRemove } from "./remove.ts";
import { runRing, runStatus, type StatusSettings } from "./status.ts";
import { printLine } from "./output/terminal.ts";
import { runTop } from "./top.ts";

const HOUR_MS = 3_600_000;
const MIB = 1024 * 1024;

/** Adds `health`, `status`, `ring`, `top`, `remove` and `bench`. */
export function addOperations(program: Command): void {
  const health = withUrl(program.command("health").description("exit 0 when a node is well"));
  withExamples(health, [
    "converge health --url http://127.0.0.1:8081",
    "converge health --ready && echo it serves",
  ]);
  health.option("--ready", "only when it can also serve its keys")
    .action((flags: Flags) =>
      runHealth(urlOf(flags), { ready: flags.ready === true, json: flags.json === true })
    );

  const status = withUrls(
    program.command("status").description("show members, quorums and what is waiting"),
  );
  withExamples(status, ["converge status", "converge status --json | jq .hints"]);
  status.action((flags: Flags) => runStatus(statusSettings(flags)));

  const ring = withUrls(
    program.command("ring").description("show who owns the ring, or a key's place on it"),
  );
  withExamples(ring, ["converge ring", "converge ring greeting --url http://127.0.0.1:8082"]);
  ring.argument("[key]", KEY_ARGUMENT)
    .action((key: string | undefined, flags: Flags) => runRing(key, statusSettings(flags)));

  const top = withUrl(program.command("top").description("show live what every node is doing"));
  withExamples(top, ["converge top", "converge top --once --json | jq .members"]);
  top.option("--once", "print one view and end")
    .action((flags: Flags) => runTop({ ...viewSettings(flags), once: flags.once === true }));
  addRemove(program);
  addBench(program);
}

function addRemove(program: Command): void {
  const remove = withUrls(
    program.command("remove").description("take a member out of the cluster, and wait until it is"),
  );
  withExamples(remove, [
    "converge remove node4 --url http://127.0.0.1:8081",
    "converge remove node4 --dead",
  ]);
  remove.argument("<name>", "the member's --id")
    .option("--dead", "its disk is gone: take over from the others only, and do not wait for it")
    .action((name: string, flags: Flags) =>
      runRemove({ ...statusSettings(flags), name, dead: flags.dead === true })
    );
}

function addBench(program: Command): void {
  const bench = withUrl(
    program.command("bench").description("measure how fast a running cluster answers"),
  );
  withExamples(bench, [
    "converge bench --url http://127.0.0.1:8081",
    "converge bench --concurrency 64 --value-size 4KiB --duration 10s --json",
  ]);
  bench.option("--concurrency <count>", "requests under way at a time", integer(1, 1024), 32)
    .addOption(
      new Option("--duration <time>", "of the puts, and of the gets")
        .argParser(duration({ min: 1, max: HOUR_MS })).default(5_000, "5s"),
    )
    .option("--requests <count>", "puts, and gets, at most", integer(1, 10_000_000), 1_000_000)
    .option("--keys <count>", "different keys", integer(1, 1_000_000), 1_000)
    .option("--value-size <size>", "of each value", size({ min: 0, max: 64 * MIB }), 100)
    .option("--prefix <prefix>", "what the keys begin with, before a part of their own", "")
    .option("--keep", "leave the keys there")
    .action((flags: Flags) =>
      runBench({
        ...viewSettings(flags),
        concurrency: Number(flags.concurrency),
        durationMs: Number(flags.duration),
        requests: Number(flags.requests),
        keys: Number(flags.keys),
        valueBytes: Number(flags.valueSize),
        prefix: ownPrefix(String(flags.prefix)),
        keep: flags.keep === true,
      })
    );
}

/** Adds `completions`. */
export function addCompletions(program: Command): void {
  const completions = program.command("completions")
    .description("print a script that completes commands in a shell");
  withExamples(completions, [
    "converge completions bash > /etc/bash_completion.d/converge",
    "converge completions fish > ~/.config/fish/completions/converge.fish",
    "converge completions zsh > ~/.converge.zsh && echo 'source ~/.converge.zsh' >> ~/.zshrc",
  ]);
  const shell = program.createArgument("<shell>", "which shell").choices(COMPLETION_SHELLS);
  completions.addArgument(shell)
    .action((shell: string) => printLine(completionScript(shell, program)));
}

function statusSettings(flags: Flags): StatusSettings {
  return { urls: urlsOf(flags), json: flags.json === true };
}

function viewSettings(flags: Flags): { url: string; json: boolean } {
  return { url: urlOf(flags), json: flags.json === true };
}
