/** Parts of documents that tasks write: what stands between two comments. */

/**
 * The document with `content` in its section `<!-- name:begin -->` ... `<!-- name:end -->`.
 *
 * @throws {Error} When it has no such section.
 */
export function replaceSection(document: string, name: string, content: string): string {
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`Cannot write section ${name}: there is none`);
  return `${document.slice(0, from + begin.length)}\n\n${content}\n\n${document.slice(to)}`;
}
