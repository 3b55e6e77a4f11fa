/** The shell commands of a document: those in its ` ```sh ` blocks. */

/** One command, continued lines joined, without its comment. */
export interface DocumentCommand {
  /** Line of the document, from 1. */
  line: number;
  text: string;
}

/** All commands in order. Loops stand on one line, so that each line is a command. */
export function commandsOf(markdown: string): DocumentCommand[] {
  const commands: DocumentCommand[] = [];
  let inBlock = false;
  let begun: DocumentCommand | undefined;
  for (const [index, raw] of markdown.split("\n").entries()) {
    if (raw.startsWith("```")) {
      inBlock = !inBlock && raw.slice(3).trim() === "sh";
      continue;
    }
    const text = raw.replace(/(^|\s+)#\s.*$/, "").trim();
    if (!inBlock || text === "") continue;
    const joined = begun === undefined ? text : `${begun.text} ${text}`;
    const line = begun?.line ?? index + 1;
    if (joined.endsWith("\\")) {
      begun = { line, text: joined.slice(0, -1).trimEnd() };
    } else {
      commands.push({ line, text: joined });
      begun = undefined;
    }
  }
  return commands;
}
