/** What several commands have in common: flags, their texts, examples, and where a node is. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseOrigin } from "../../config.ts";
import { environment } from "./environment.ts";
import { parseDuration, parseInteger, parseSize, type Range } from "./parse_value.ts";

/** Flags by the names of commander, which turns `--max-value` into `maxValue`. */
export type Flags = Record<string, string | number | boolean | undefined>;

/** A flag whose default stays out of commander: the variable of the environment comes first. */
export function plainFlag(name: string, value: string, about: string, fallback: string): Option {
  return new Option(`--${name} ${value}`, `${about} (default: ${fallback})`);
}

/** Where commands look for a node that were told of none. */
const URL_SOURCE = "(default: http://127.0.0.1:8080, variable: CONVERGE_URL)";

/** Adds `--url` for a command about one node, and `--json`. */
export function withUrl(command: Command): Command {
  return command.option("--url <url>", `which node; the first of several ${URL_SOURCE}`)
    .option("--json", "print JSON");
}

/** Adds `--url` for a command that any node can answer, and `--json` where it has something to say. */
export function withUrls(command: Command, { json = true } = {}): Command {
  command.option(
    "--url <urls>",
    `any node of the cluster, or several, comma-separated, for when one is away ${URL_SOURCE}`,
  );
  return json ? command.option("--json", "print JSON") : command;
}

/** What an argument that names a key may be. */
export const KEY_ARGUMENT =
  "text, or base64:… as list prints what is not UTF-8, has control characters or begins like it";

/** Adds examples behind the help, one command line each. */
export function withExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText(
    "after",
    `\nExamples:\n${examples.map((line) => `  ${line}\n`).join("")}`,
  );
}

/**
 * The node that a command is about.
 *
 * @throws {ConvergeError} `bad_config`.
 */
export function urlOf(flags: Flags): string {
  return urlsOf(flags)[0]!;
}

/**
 * The nodes that a command may ask, at least one, the first first.
 *
 * @throws {ConvergeError} `bad_config`.
 */
export function urlsOf(flags: Flags): string[] {
  const given = textsOf(flags)["url"];
  if (given !== undefined) return originsOf("--url", given);
  const urls = environment("CONVERGE_URL");
  if (urls) return originsOf("CONVERGE_URL", urls);
  // In the container of a node its port is known: `converge health` needs no options there.
  const port = environment("CONVERGE_PORT") || "8080";
  return [`http://127.0.0.1:${parseInteger("CONVERGE_PORT", port, { min: 0, max: 65_535 })}`];
}

function originsOf(option: string, text: string): string[] {
  return text.split(",").map((url) => parseOrigin(option, url.trim()));
}

/** `{ maxValue: "1MiB" }` -> `{ "max-value": "1MiB" }`. */
export function textsOf(flags: Flags): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(flags)) {
    if (typeof value !== "string") continue;
    texts[name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)] = value;
  }
  return texts;
}

/** Reads a whole number, for commander. */
export function integer(min: number, max: number): (text: string) => number {
  return checked(
    (text) => parseInteger("it", text, { min, max }),
    `a whole number ${min} to ${max}`,
  );
}

/** Reads a time like `5s` as milliseconds, for commander. */
export function duration(range: Range): (text: string) => number {
  return checked(
    (text) => parseDuration("it", text, range),
    "a time like 500ms, 5s or 2m in range",
  );
}

/**
 * Reads a time to live as seconds, rounded up, for commander. Bare digits are refused: other options
 * read them as milliseconds, and `?ttl=` as seconds.
 */
export function timeToLive(secondsMax: number): (text: string) => number {
  const range = { min: 1, max: secondsMax * 1_000 };
  return checked(
    (text) => Math.ceil(parseDuration("it", /\d$/.test(text) ? "" : text, range) / 1_000),
    `a time with its unit, like 30s, 15m or 24h, up to ${secondsMax / 3_600}h`,
  );
}

/** Reads a size like `64KiB` as bytes, for commander. */
export function size(range: Range): (text: string) => number {
  return checked((text) => parseSize("it", text, range), "a size like 100, 64KiB or 1MiB in range");
}

function checked(read: (text: string) => number, wanted: string): (text: string) => number {
  return (text) => {
    try {
      return read(text);
    } catch {
      throw new InvalidArgumentError(`It must be ${wanted}.`);
    }
  };
}
