/** The commands that run nodes: `serve` and `cluster`. */
import type { Command, Option } from "commander";
import { runCluster } from "./cluster.ts";
import { environment } from "./options/environment.ts";
import { type Flags, plainFlag, textsOf, withExamples } from "./options/flags.ts";
import {
  type GivenText,
  givenText,
  NODE_OPTIONS,
  type NodeOption,
  readNodeSettings,
} from "./options/node_options.ts";
import { badValue, parseInteger, type Range } from "./options/parse_value.ts";
import { runServe } from "./serve.ts";

const CLUSTER_OPTIONS = NODE_OPTIONS.filter((option) => !option.perNode);

const VARIABLES = `
Every option can also be a variable: CONVERGE_MAX_VALUE for --max-value.`;

/** Adds `serve`, which is also what runs without a command. */
export function addServe(program: Command): void {
  const serve = program.command("serve", { isDefault: true }).description("run one node");
  for (const option of NODE_OPTIONS) serve.addOption(flagOf(option));
  withExamples(serve.addHelpText("after", VARIABLES), [
    "converge --port 8081 --peers http://127.0.0.1:8082,http://127.0.0.1:8083",
    "CONVERGE_PORT=8082 CONVERGE_PEERS=http://127.0.0.1:8081 converge",
    "converge --port 0 --data ./data/alone --replication 1",
  ]);
  serve.action((flags: Flags) => runServe(readNodeSettings(textsOf(flags), environment)));
}

/** Adds `cluster`. @param entry URL of the entry, which the Workers load again. */
export function addCluster(program: Command, entry: string): void {
  const cluster = program.command("cluster").description("run a whole cluster in this process")
    .addOption(plainFlag("nodes", "<count>", "how many nodes", "3"))
    .addOption(plainFlag("port", "<port>", "port of node1; the others follow", "8081"))
    .addOption(plainFlag("data", "<directory>", "directory above the nodes' own", "./data"))
    .addOption(plainFlag("control-port", "<port>", "port of the control; 0 takes any", "8080"));
  for (const option of CLUSTER_OPTIONS) cluster.addOption(flagOf(option));
  const about = `${VARIABLES}
While it runs, type "help": nodes can be stopped, killed, paused and cut off from each other.`;
  withExamples(cluster.addHelpText("after", about), [
    "converge cluster",
    "converge cluster --nodes 5 --port 9001 --data ./data/five",
  ]);
  cluster.action((flags: Flags) => {
    const texts = textsOf(flags);
    const given = (name: string) => givenText(name, texts, environment);
    const number = (name: string, range: Range): number | undefined => {
      const found = given(name);
      return found && parseInteger(found.source, found.text, range);
    };
    return runCluster({
      entry,
      data: directoryOf(given("data")) ?? "./data",
      nodes: number("nodes", { min: 1, max: 15 }) ?? 3,
      port: number("port", { min: 1, max: 65_535 }) ?? 8081,
      controlPort: number("control-port", { min: 0, max: 65_535 }),
      node: readNodeSettings(texts, environment, CLUSTER_OPTIONS),
    });
  });
}

/** An empty one would be the root of the file system. @throws {ConvergeError} `bad_config`. */
function directoryOf(given: GivenText | undefined): string | undefined {
  if (given?.text === "") throw badValue(given.source, given.text, "a directory");
  return given?.text;
}

/** The flag of a row of the table. */
function flagOf({ name, value, about, fallback }: NodeOption): Option {
  return plainFlag(name, value, about, fallback);
}
