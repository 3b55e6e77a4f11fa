/**
 * Runs the commands of a document, in order, in a scratch directory. Ports are replaced by free ones,
 * the same one for the same port throughout; commands that run a node are left running until the
 * document's end, or until their node is started anew. What would run long, or needs an engine that
 * is not there, is held against its own definition instead.
 */
import { fromFileUrl, join } from "@std/path";
import { parse } from "yaml";
import {
  convergeCommand,
  ConvergeProcess,
  freePorts,
  Hopeless,
  until,
} from "../cluster/harness.ts";
import { convergeCalls, whyRefused } from "./command_line.ts";

const repository = fromFileUrl(new URL("../../", import.meta.url));
const COMMAND_MS = 60_000;

/** Lets a test see in a second what takes a cluster half a minute by default. */
const QUICK = ["--gossip-interval", "100ms", "--anti-entropy-interval", "500ms"];

/** Commands that end by themselves only much later, or never. */
const LONG = new Set(["cluster", "bench", "sim", "top"]);

/** What was done with a command. */
export type Handling = "ran" | "started" | "checked";

/** A document under test. */
export class DocumentRun implements AsyncDisposable {
  readonly cwd: string;
  readonly #ports = new Map<string, string>();
  readonly #nodes = new Map<string, ConvergeProcess>();
  readonly #environment: Record<string, string> = { NO_COLOR: "1" };

  private constructor(cwd: string) {
    this.cwd = cwd;
  }

  static async create(): Promise<DocumentRun> {
    const cwd = await Deno.makeTempDir({ prefix: "converge-docs-" });
    await Deno.mkdir(join(cwd, "bin"));
    await Deno.mkdir(join(cwd, "data"));
    const [command, args] = convergeCommand([]);
    const quoted = [command, ...args].map((word) => `'${word}'`).join(" ");
    const script = `#!/bin/sh\nexec ${quoted} "$@"\n`;
    await Deno.writeTextFile(join(cwd, "bin", "converge"), script, { mode: 0o755 });
    return new DocumentRun(cwd);
  }

  /** Carries out one command. @throws {Error} When it fails, or could not be understood. */
  async carryOut(text: string): Promise<Handling> {
    const task = /^(?:npx -y deno@[\d.]+|deno) task (\S+)(.*)$/.exec(text);
    if (task !== null) return checkTask(task[1]!, task[2]!.trim());
    if (text.startsWith("docker ")) return checkCompose(text);
    const variable = /^export ([A-Z_]+)=(\S+)$/.exec(text);
    if (variable !== null) {
      this.#environment[variable[1]!] = this.#onOurPorts(variable[2]!);
      return "ran";
    }
    const calls = convergeCalls(text);
    for (const words of calls) {
      const why = whyRefused(words);
      if (why !== undefined) throw new Error(`converge ${words.join(" ")}: ${why}`);
    }
    const [words] = calls;
    if (words !== undefined && isLong(words)) return "checked";
    if (words !== undefined && runsNode(words)) {
      await this.startNode(words);
      return "started";
    }
    await this.#stopOwnerOf(text);
    await this.#shell(await this.#onOurFiles(text));
    return "ran";
  }

  /** Runs a node until further notice; one of the same name is stopped first, as a restart does. */
  async startNode(words: readonly string[]): Promise<void> {
    const args = words.map((word) => this.#onOurPorts(word));
    const port = args[args.indexOf("--port") + 1]!;
    const named = args.indexOf("--id");
    // By default the name is made of the port, which is another one here.
    const id = named >= 0 ? args[named + 1]! : `node-${words[words.indexOf("--port") + 1]}`;
    await this.stopNode(id);
    const process = new ConvergeProcess([...args, "--id", id, ...QUICK], { cwd: this.cwd });
    this.#nodes.set(id, process);
    await until(`${id} is ready`, () => {
      if (!process.isRunning) throw new Hopeless(`${id} has ended`);
      return process.stdout.includes(`is ready: http://127.0.0.1:${port}`);
    }, { evidence: () => process.evidence() });
  }

  async stopNode(id: string, signal: Deno.Signal = "SIGTERM"): Promise<void> {
    const process = this.#nodes.get(id);
    if (process === undefined) return;
    this.#nodes.delete(id);
    process.signal(signal);
    await process.end();
  }

  /** What is done to a node's directory is done while the node is down. */
  async #stopOwnerOf(text: string): Promise<void> {
    for (const id of [...this.#nodes.keys()]) {
      const touches = text.startsWith("rm ") || text.startsWith("tar ") ||
        text.startsWith("converge doctor");
      if (touches && new RegExp(`\\b${id}\\b`).test(text)) {
        await this.stopNode(id, text.startsWith("rm ") ? "SIGKILL" : "SIGTERM");
      }
    }
  }

  async #shell(text: string): Promise<void> {
    const child = new Deno.Command("bash", {
      args: ["-o", "pipefail", "-c", text], // a pipe fails where any of its commands does
      cwd: this.cwd,
      env: { ...this.#environment, PATH: `${join(this.cwd, "bin")}:${Deno.env.get("PATH")}` },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(COMMAND_MS),
    });
    const { code, stdout, stderr } = await child.output();
    if (code === 0) return;
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const nodes = [...this.#nodes].map(([id, process]) => `=== ${id}\n${process.evidence()}`);
    throw new Error(`${text}: exit code ${code}\n${said}\n${nodes.join("\n")}`);
  }

  /** Ports of four digits from 8000 to 9999: those of the documents. */
  #onOurPorts(text: string): string {
    return text.replaceAll(/(?<=^|:)[89]\d{3}\b/g, (port) => {
      const ours = this.#ports.get(port) ?? String(freePorts(1)[0]);
      this.#ports.set(port, ours);
      return ours;
    });
  }

  /** A table's number in a document is an example: the first table that is there is meant. */
  async #onOurFiles(text: string): Promise<string> {
    const example = /(data\/[\w-]+)\/(\d{6}\.sst)/.exec(text);
    if (example === null) return this.#onOurPorts(text);
    const names = await Array.fromAsync(Deno.readDir(join(this.cwd, example[1]!)));
    const table = names.map(({ name }) => name).find((name) => name.endsWith(".sst"));
    return this.#onOurPorts(text.replace(example[2]!, table ?? example[2]!));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((process) => process.dispose()));
    await Deno.remove(this.cwd, { recursive: true });
  }
}

function isLong([name = "", ...rest]: readonly string[]): boolean {
  return LONG.has(name) && !rest.includes("--once");
}

function runsNode([first = ""]: readonly string[]): boolean {
  return first === "serve" || (first.startsWith("--") && !/^--(help|version)$/.test(first));
}

/** A task exists, and what follows its name is something that it knows. */
function checkTask(name: string, rest: string): Handling {
  const config: { tasks: Record<string, string | { command: string }> } = JSON.parse(
    Deno.readTextFileSync(join(repository, "deno.json")),
  );
  const task = config.tasks[name];
  if (task === undefined) throw new Error(`There is no task ${name}`);
  const command = typeof task === "string" ? task : task.command;
  const words = rest === "" ? [] : rest.split(/\s+/);
  const [, converge] = /main\.ts (.*)$/.exec(command) ?? [];
  if (converge !== undefined) {
    const why = whyRefused([...converge.split(" "), ...words]);
    if (why !== undefined) throw new Error(`${name}: ${why}`);
    return "checked";
  }
  const script = /(\S+\.ts)$/.exec(command)?.[1];
  const source = script === undefined ? "" : Deno.readTextFileSync(join(repository, script));
  for (const option of words.flatMap((word) => /^--([\w-]+)/.exec(word)?.[1] ?? [])) {
    if (!source.includes(option)) throw new Error(`The task ${name} knows no --${option}`);
  }
  return "checked";
}

/** There is no engine on the build machines: the services are held against the file. */
function checkCompose(text: string): Handling {
  const match = /^docker compose (up|down|stop|start|restart|logs|ps)((?: --[\w-]+)*)((?: \w+)*)$/
    .exec(text);
  if (match === null) throw new Error(`Cannot check ${text}`);
  const { services } = parse(Deno.readTextFileSync(join(repository, "docker-compose.yml")));
  for (const service of match[3]!.split(" ").filter((name) => name !== "")) {
    if (!Object.hasOwn(services, service)) throw new Error(`There is no service ${service}`);
  }
  return "checked";
}
