/**
 * The Cluster sections of `docs/benchmarks.md`. Each part of a run replaces what stands between its
 * own two markers and leaves everything else as it is, so that parts can be measured apart.
 */
import { dirname, fromFileUrl, join } from "@std/path";

const DOCUMENT = fromFileUrl(import.meta.resolve("../../../docs/benchmarks.md"));
const TITLE = "# Benchmarks\n";

/** A section with its own markers. */
export interface Section {
  /** `cluster-comparison`, ... */
  name: string;
  title: string;
  body: string;
  /** Drawn into a file beside the document. */
  plot?: string;
}

/** Writes sections; new ones go to the end. */
export async function writeSections(sections: readonly Section[]): Promise<void> {
  let text = await Deno.readTextFile(DOCUMENT).catch(() => TITLE);
  for (const section of sections) {
    text = replaced(text, section);
    if (section.plot === undefined) continue;
    await Deno.writeTextFile(join(dirname(DOCUMENT), plotFile(section)), section.plot);
  }
  await Deno.writeTextFile(DOCUMENT, text);
}

/** The document with one section in its place. */
export function replaced(document: string, section: Section): string {
  const { name, title, body, plot } = section;
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const picture = plot === undefined ? "" : `![${title}](${plotFile(section)})\n\n`;
  const text = `${begin}\n\n## ${title}\n\n${picture}${body.trim()}\n\n${end}`;
  const start = document.indexOf(begin);
  const stop = document.indexOf(end);
  if (start < 0 || stop < start) return `${document.trimEnd()}\n\n${text}\n`;
  return document.slice(0, start) + text + document.slice(stop + end.length);
}

function plotFile({ name }: Section): string {
  return `${name}.svg`;
}
