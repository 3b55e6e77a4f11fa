/** The command line: which commands there are, what they take, and how failures are told. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ClientError } from "../client/client_error.ts";
import { parseOrigin } from "../config.ts";
import { DenoDisk } from "../platform/deno/deno_disk.ts";
import { isConvergeError } from "../errors.ts";
import { runCluster } from "./cluster.ts";
import { CommandError } from "./command_error.ts";
import { COMPLETION_SHELLS, completionScript } from "./completions.ts";
import { runDoctor } from "./doctor.ts";
import { environment } from "./environment.ts";
import { runExport } from "./export.ts";
import { runHealth } from "./health.ts";
import { runImport } from "./import.ts";
import { IMPORT_FORMATS, type ImportFormat } from "./import_source.ts";
import { runInspect } from "./inspect.ts";
import { runDelete, runGet, runList, runPut } from "./keys.ts";
import {
  environmentName,
  NODE_OPTIONS,
  type NodeOption,
  readNodeSettings,
} from "./node_options.ts";
import { parseInteger, type Range } from "./parse_value.ts";
import { runServe } from "./serve.ts";
import { runSim } from "./sim.ts";
import { runRing, runStatus } from "./status.ts";
import { printError, printLine } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** Exit code of a command line that cannot be understood. */
const USAGE = 2;

const CLUSTER_OPTIONS = NODE_OPTIONS.filter((option) => !option.perNode);
const HELP_COLUMNS = 100;
const SEED_MAX = 2 ** 32 - 1;

/** Flags by the names of the table: commander turns `--max-value` into `maxValue`. */
type Flags = Record<string, string | boolean | undefined>;

/**
 * Runs the command line.
 *
 * @param args Without the program's own name.
 * @param entry URL of the entry, which the Workers of `cluster` load again.
 * @returns The exit code.
 */
export async function runProgram(args: string[], entry: string): Promise<number> {
  const outcome = { exitCode: 0 };
  const program = buildProgram(entry, outcome);
  try {
    refuseUnknownCommand(program, args);
    await program.parseAsync(args, { from: "user" });
    return outcome.exitCode;
  } catch (error) {
    return tell(error);
  }
}

/**
 * Every command with its options; nothing runs before it is parsed.
 *
 * @param outcome Where a command that did its work and found a fault leaves its exit code.
 */
export function buildProgram(entry: string, outcome = { exitCode: 0 }): Command {
  const program = new Command("converge");
  // Where commander looks for colours and widths by itself, it reads variables that this program
  // has no permission for.
  program.configureOutput({
    getOutHasColors: () => false,
    getErrHasColors: () => false,
    getOutHelpWidth: () => HELP_COLUMNS,
    getErrHelpWidth: () => HELP_COLUMNS,
    writeOut: (text) => printLine(text.trimEnd()),
    writeErr: () => {}, // told once, by tell()
  });
  program.exitOverride().showSuggestionAfterError(false).helpCommand(false)
    .description("A Dynamo-style distributed key-value store: one binary per node, no leader.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help, or that of a command")
    .addHelpText("after", EXAMPLES);
  addServe(program);
  addCluster(program, entry);
  addKeys(program);
  addTransfer(program);
  addOperations(program);
  addFiles(program, outcome);
  addSim(program, entry, outcome);
  return program;
}

const EXAMPLES = `
Without a command, converge runs one node: see converge serve --help.

Examples:
  converge --port 8081 --peers http://127.0.0.1:8082,http://127.0.0.1:8083
  converge cluster
  echo hello | converge put greeting --url http://127.0.0.1:8081
  converge get greeting --url http://127.0.0.1:8082
  converge import countries.json --format json --key-field cca2 --url http://127.0.0.1:8081
`;

const VARIABLES = `
Every option can also be a variable: CONVERGE_MAX_VALUE for --max-value.
`;

function addServe(program: Command): void {
  const serve = program.command("serve", { isDefault: true }).description("run one node");
  for (const option of NODE_OPTIONS) serve.addOption(flagOf(option));
  serve.addHelpText(
    "after",
    `${VARIABLES}
Examples:
  converge --port 8081 --peers http://127.0.0.1:8082,http://127.0.0.1:8083
  CONVERGE_PORT=8082 CONVERGE_PEERS=http://127.0.0.1:8081 converge
  converge --port 0 --data /tmp/converge --replication 1
`,
  );
  serve.action((flags: Flags) => runServe(readNodeSettings(textsOf(flags), environment)));
}

function addCluster(program: Command, entry: string): void {
  const cluster = program.command("cluster").description("run a whole cluster in this process")
    .addOption(plainFlag("nodes", "<count>", "how many nodes", "3"))
    .addOption(plainFlag("port", "<port>", "port of node1; the others follow", "8081"))
    .addOption(plainFlag("data", "<directory>", "directory above the nodes' own", "./data"))
    .addOption(plainFlag("control-port", "<port>", "port of the control; 0 takes any", "8080"));
  for (const option of CLUSTER_OPTIONS) cluster.addOption(flagOf(option));
  cluster.addHelpText(
    "after",
    `
${VARIABLES}
While it runs, type "help": nodes can be stopped, killed, paused and cut off from each other.

Examples:
  converge cluster
  converge cluster --nodes 5 --port 9001 --data ./data/five
`,
  );
  cluster.action((flags: Flags) => {
    const texts = textsOf(flags);
    const given = (name: string) =>
      texts[name] ?? (environment(environmentName(name)) || undefined);
    const controlPort = given("control-port");
    return runCluster({
      entry,
      data: given("data") ?? "./data",
      nodes: parseInteger("--nodes", given("nodes") ?? "3", { min: 1, max: 15 }),
      port: parseInteger("--port", given("port") ?? "8081", { min: 1, max: 65_535 }),
      controlPort: controlPort === undefined
        ? undefined
        : parseInteger("--control-port", controlPort, { min: 0, max: 65_535 }),
      node: readNodeSettings(texts, environment, CLUSTER_OPTIONS),
    });
  });
}

function addKeys(program: Command): void {
  const explain = () => new Option("--explain", "print the receipt instead");
  withUrl(program.command("get").description("write a key's value to standard output"))
    .argument("<key>").addOption(explain())
    .action((key: string, flags: Flags) => runGet(key, keySettings(flags)));
  withUrl(program.command("put").description("store a value, or standard input, under a key"))
    .argument("<key>").argument("[value]").addOption(explain())
    .option("--type <type>", "content type")
    .action((key: string, value: string | undefined, flags: Flags) =>
      runPut(key, value, { ...keySettings(flags), type: textsOf(flags)["type"] })
    );
  withUrl(program.command("delete").description("remove a key"))
    .argument("<key>").addOption(explain())
    .action((key: string, flags: Flags) => runDelete(key, keySettings(flags)));
  withUrl(program.command("list").description("list keys in byte order"))
    .argument("[prefix]").option("--limit <count>", "keys at most", integer(1, 1e9), 1_000)
    .action((prefix: string | undefined, flags: Flags) =>
      runList(prefix ?? "", { ...keySettings(flags), limit: Number(flags.limit) })
    );
}

function addTransfer(program: Command): void {
  const concurrency = integer(1, 1024);
  withUrl(program.command("import").description("put every record of a file"), { json: false })
    .argument("<file>", "a path, or - for standard input")
    .addOption(
      new Option("--format <format>", "how the file is written").choices(IMPORT_FORMATS)
        .default("json-lines"),
    )
    .option("--key-field <name>", "member of each record that holds its key, like name.common")
    .option("--concurrency <count>", "puts under way at most", concurrency, 64)
    .addHelpText(
      "after",
      `
Examples:
  converge import cities.jsonl --key-field id
  converge import countries.json --format json --key-field name.common
  converge export --url http://127.0.0.1:8081 | converge import - --url http://127.0.0.1:9081
`,
    )
    .action((file: string, flags: Flags) =>
      runImport(file, {
        url: urlOf(flags),
        format: flags.format as ImportFormat,
        keyField: textsOf(flags)["key-field"],
        concurrency: Number(flags.concurrency),
      })
    );
  withUrl(program.command("export").description("write all records as JSON lines"), { json: false })
    .option("--prefix <prefix>", "only keys that begin so", "")
    .option("--concurrency <count>", "gets under way at most", concurrency, 64)
    .action((flags: Flags) =>
      runExport({
        url: urlOf(flags),
        prefix: String(flags.prefix),
        concurrency: Number(flags.concurrency),
      })
    );
}

function addOperations(program: Command): void {
  withUrl(program.command("health").description("exit 0 when a node is well"), { json: false })
    .option("--ready", "also when it can serve its keys")
    .action((flags: Flags) => runHealth(urlOf(flags), { ready: flags.ready === true }));
  withUrl(program.command("status").description("show members, quorums and what is waiting"))
    .action((flags: Flags) => runStatus(keySettings(flags)));
  withUrl(program.command("ring").description("show who owns the ring, or a key's place on it"))
    .argument("[key]")
    .action((key: string | undefined, flags: Flags) => runRing(key, keySettings(flags)));
  program.command("completions").description("print a script that completes commands in a shell")
    .addArgument(program.createArgument("<shell>").choices(COMPLETION_SHELLS))
    .action((shell: string) => printLine(completionScript(shell, program)));
}

function addFiles(program: Command, outcome: { exitCode: number }): void {
  program.command("doctor").description("check the data directory of a node that is down")
    .requiredOption("--data <directory>", "the node's data directory, like ./data/node1")
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
  program.command("inspect").description("show what a log, a table or a manifest holds")
    .argument("<file>").option("--json", "print JSON")
    .action((file: string, flags: Flags) => {
      const json = flags.json === true;
      outcome.exitCode = runInspect({ disk: new DenoDisk(), file, json, print: printLine });
    });
}

function addSim(program: Command, entry: string, outcome: { exitCode: number }): void {
  program.command("sim").description("run whole clusters under virtual time and every fault")
    .option("--seed <number>", "the seed, or the first of several", integer(0, SEED_MAX), 1)
    .option("--seeds <count>", "how many seeds to run", integer(1, SEED_MAX), 1)
    .option("--jobs <count>", "Workers to share them among", integer(1, 256), 1)
    .option("--nodes <count>", "nodes of the cluster; default: as the seed says", integer(1, 15))
    .option("--trace <file>", "write the whole history of one seed as JSON lines")
    .option("--plan <file>", "run the plan in a file instead of a seed's")
    .option("--shrink", "look for a smaller plan that fails")
    .option("--defect <name>", "put a defect in, to see it caught")
    .addOption(new Option("--store <kind>", "what keeps the records").choices(["lsm", "journal"]))
    .action(async (flags: SimFlags) => {
      outcome.exitCode = await runSim({ ...flags, entry });
    });
}

/** What commander makes of the options of `sim`: those are checked as they are read. */
type SimFlags = Omit<Parameters<typeof runSim>[0], "entry">;

/** The flag of a row of the table. Its default stays out of commander: the variable comes first. */
function flagOf({ name, value, about, fallback }: NodeOption): Option {
  return plainFlag(name, value, about, fallback);
}

function plainFlag(name: string, value: string, about: string, fallback: string): Option {
  return new Option(`--${name} ${value}`, `${about} (default: ${fallback})`);
}

function withUrl(command: Command, { json = true } = {}): Command {
  command.option(
    "--url <url>",
    "any node of the cluster (default: http://127.0.0.1:8080, variable: CONVERGE_URL)",
  );
  return json ? command.option("--json", "print JSON") : command;
}

function urlOf(flags: Flags): string {
  const given = textsOf(flags)["url"];
  if (given !== undefined) return parseOrigin("--url", given);
  const url = environment("CONVERGE_URL");
  if (url) return parseOrigin("CONVERGE_URL", url);
  // In the container of a node its port is known: `converge health` needs no options there.
  return parseOrigin("--url", `http://127.0.0.1:${environment("CONVERGE_PORT") || 8080}`);
}

function keySettings(flags: Flags) {
  return { url: urlOf(flags), json: flags.json === true, explain: flags.explain === true };
}

/** `{ maxValue: "1MiB" }` -> `{ "max-value": "1MiB" }`. */
function textsOf(flags: Flags): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(flags)) {
    if (typeof value !== "string") continue;
    texts[name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)] = value;
  }
  return texts;
}

function integer(min: number, max: number): (text: string) => number {
  const range: Range = { min, max };
  return (text) => {
    try {
      return parseInteger("it", text, range);
    } catch {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
  };
}

/** Commander would take an unknown command for an argument of the default one. */
function refuseUnknownCommand(program: Command, [first]: string[]): void {
  if (first === undefined || first.startsWith("-")) return;
  const names = program.commands.map((command) => command.name());
  if (names.includes(first)) return;
  throw new CommandError(
    `Cannot do ${JSON.stringify(first)}: the commands are ${names.join(", ")}`,
    { exitCode: USAGE },
  );
}

/** One line on standard error, and the exit code. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // help and version
    const line = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ").replace(
      /\.$/,
      "",
    );
    printError(`converge: ${line}; see converge --help`);
    return USAGE;
  }
  if (isConvergeError(error)) {
    printError(`converge: ${error.message}`);
    return error.code === "bad_config" ? USAGE : 1;
  }
  if (error instanceof CommandError) {
    printError(`converge: ${error.message}`);
    return error.exitCode;
  }
  if (error instanceof ClientError) {
    printError(`converge: ${error.message}${nextStep(error)}`);
    return 1;
  }
  throw error;
}

function nextStep({ status }: ClientError): string {
  return status === undefined
    ? "; name a node that runs with --url or CONVERGE_URL, or start some: converge cluster"
    : "";
}
