/** Completion scripts for shells, made from the command table. */
import type { Command } from "commander";

/** Shells with a completion script. */
export const COMPLETION_SHELLS = ["bash", "zsh", "fish"] as const;

/** What lets zsh take bash's script, whether or not it completes anything yet. */
const ZSH_SETUP = `(( \$+functions[compdef] )) || { autoload -U compinit && compinit; }
autoload -U +X bashcompinit && bashcompinit
`;

/** The script for `shell`, complete for every command and option of `program`. */
export function completionScript(shell: string, program: Command): string {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    options: command.options.flatMap((option) => option.long ?? []),
  }));
  if (shell === "fish") return fishScript(commands);
  const bash = bashScript(commands);
  return shell === "zsh" ? ZSH_SETUP + bash : bash;
}

interface CommandWords {
  name: string;
  about: string;
  options: string[];
}

function bashScript(commands: CommandWords[]): string {
  const cases = commands.map(({ name, options }) =>
    `    ${name}) words="${["--help", ...options].join(" ")}" ;;`
  );
  const serve = commands.find(({ name }) => name === "serve")?.options ?? [];
  const names = commands.map(({ name }) => name);
  return [
    "_converge() {",
    '  local words current="${COMP_WORDS[COMP_CWORD]}"',
    '  case "${COMP_WORDS[1]}" in',
    ...cases,
    `    *) words="${[...names, "--help", "--version", ...serve].join(" ")}" ;;`,
    "  esac",
    '  [ "$COMP_CWORD" -eq 1 ] && case "$current" in',
    `    -*) ;; *) words="${names.join(" ")}" ;;`,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _converge converge",
  ].join("\n");
}

function fishScript(commands: CommandWords[]): string {
  const serve = commands.find(({ name }) => name === "serve")?.options ?? [];
  const complete = (condition: string, what: string) =>
    `complete -c converge -n '${condition}' ${what}`;
  return [
    ...["--version", "--help", ...serve].map((option) =>
      complete("__fish_use_subcommand", longOption(option))
    ),
    ...commands.flatMap(({ name, about, options }) => [
      complete("__fish_use_subcommand", `-f -a ${name} -d '${about.replaceAll("'", "\\'")}'`),
      ...["--help", ...options].map((option) =>
        complete(`__fish_seen_subcommand_from ${name}`, longOption(option))
      ),
    ]),
  ].join("\n");
}

function longOption(option: string): string {
  return `-l ${option.slice(2)}`;
}
