/** Whether a `converge` command line could be understood, without running it. */
import { buildProgram } from "../../src/cli/program.ts";

/**
 * The `converge` calls of a shell line, each as its words without the program's name: those at the
 * start of a line or behind `|`, `&&` and `;`, without variables before and redirections behind.
 */
export function convergeCalls(line: string): string[][] {
  return line.split(/\||&&|;/).flatMap((part) => {
    const words = shellWords(part.replaceAll(/\s\d?[<>]+\s*\S+/g, " "));
    while (/^[A-Z_]+=/.test(words[0] ?? "")) words.shift();
    return words[0] === "converge" ? [words.slice(1)] : [];
  });
}

/** Why these words would be refused; undefined when they would not. Their values are checked too. */
export function whyRefused(words: readonly string[]): string | undefined {
  const program = buildProgram("file:///main.ts");
  const named = program.commands.find((command) => command.name() === words[0]);
  const [first = ""] = words;
  if (named === undefined && /^[^-]/.test(first)) return `no such command: ${first}`;
  const command = named ?? program.commands.find((command) => command.name() === "serve")!;
  const rest = named === undefined ? words : words.slice(1);
  if (rest.some((word) => word === "--help" || word === "--version")) return undefined;
  try {
    const { operands, unknown } = command.parseOptions([...rest]);
    if (unknown.length > 0) return `unknown: ${unknown.join(" ")}`;
    const wanted = command.registeredArguments;
    if (operands.length > wanted.length) return `too many arguments: ${operands.join(" ")}`;
    const missing = wanted[operands.length];
    return missing?.required ? `missing: ${missing.name()}` : undefined;
  } catch (error) {
    return String(error);
  }
}

/** Words of a simple shell command; quotes are taken off. */
function shellWords(text: string): string[] {
  return [...text.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)]
    .map(([word]) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}
