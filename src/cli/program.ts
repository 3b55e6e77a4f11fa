/** The command line: which commands there are, and how failures are told. */
import { Command, CommanderError } from "commander";
import { ClientError } from "../client/client_error.ts";
import { isConvergeError } from "../errors.ts";
import { CommandError } from "./output/command_error.ts";
import { addFiles, addSim, type Outcome } from "./file_commands.ts";
import { withExamples } from "./options/flags.ts";
import { addKeys, addTransfer } from "./key_commands.ts";
import { nextStep, nextStepOfNode } from "./output/next_step.ts";
import { addCluster, addServe } from "./node_commands.ts";
import { addCompletions, addOperations } from "./operation_commands.ts";
import { printError, printLine } from "./output/terminal.ts";
import { VERSION } from "./output/version.ts";

/** Exit code of a command line that cannot be understood. */
const USAGE = 2;

const HELP_COLUMNS = 100;

const EXAMPLES = [
  "converge --port 8081 --peers http://127.0.0.1:8082,http://127.0.0.1:8083",
  "converge cluster",
  "echo hello | converge put greeting --url http://127.0.0.1:8081",
  "converge get greeting --url http://127.0.0.1:8082",
  "converge top --url http://127.0.0.1:8081",
];

/**
 * Runs the command line.
 *
 * @param args Without the program's own name.
 * @param entry URL of the entry, which the Workers of `cluster` load again.
 * @returns The exit code.
 */
export async function runProgram(args: string[], entry: string): Promise<number> {
  const [first, ...names] = args;
  if (first === "help") return runProgram([...names.slice(0, 1), "--help"], entry);
  const outcome = { exitCode: 0 };
  const program = buildProgram(entry, outcome);
  try {
    refuseUnknownCommand(program, args);
    await program.parseAsync(args, { from: "user" });
    return outcome.exitCode;
  } catch (error) {
    return tell(error, helpOf(program, args));
  }
}

/**
 * Every command with its options; nothing runs before it is parsed.
 *
 * @param outcome Where a command that did its work and found a fault leaves its exit code.
 */
export function buildProgram(entry: string, outcome: Outcome = { exitCode: 0 }): Command {
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
    .addHelpText(
      "after",
      "\nWithout a command, converge runs one node: see converge serve --help.",
    );
  withExamples(program, EXAMPLES);
  addServe(program);
  addCluster(program, entry);
  addKeys(program);
  addTransfer(program);
  addOperations(program);
  addFiles(program, outcome);
  addSim(program, entry, outcome);
  addCompletions(program);
  return program;
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

/** The command whose help tells what can be said here. */
function helpOf(program: Command, [first = ""]: string[]): string {
  const named = program.commands.some((command) => command.name() === first);
  if (named) return `converge ${first} --help`;
  return first.startsWith("-") ? "converge serve --help" : "converge --help";
}

/** One line on standard error, and the exit code. */
function tell(error: unknown, help: string): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // help and version
    const line = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ").replace(
      /\.$/,
      "",
    );
    printError(`converge: ${line}; see ${help}`);
    return USAGE;
  }
  if (isConvergeError(error)) {
    printError(`converge: ${error.message}${nextStepOfNode(error)}`);
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
