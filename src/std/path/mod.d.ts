/**
 * Types of the `@std/path` functions, which the npm build carries none of.
 *
 * @module
 */

/** The parts of a path. */
export interface ParsedPath {
  /** The root, such as `/`; empty for a relative path. */
  root: string;
  /** The directory, root included. */
  dir: string;
  /** The file name, extension included. */
  base: string;
  /** The extension, dot included. */
  ext: string;
  /** The file name without its extension. */
  name: string;
}

/** How a glob is read by {@linkcode globToRegExp}. */
export interface GlobOptions {
  /** Whether `?(a|b)`, `@(a|b)`, `!(a)` and the like are understood; default true. */
  extended?: boolean;
  /** Whether `**` crosses directories; default true. */
  globstar?: boolean;
  /** Whether letter case is of no matter; default false. */
  caseInsensitive?: boolean;
}

/** Options of {@linkcode globToRegExp}. */
export type GlobToRegExpOptions = GlobOptions;

/** What stands between paths in a list: `:`, or `;` on Windows. */
export const DELIMITER: ":" | ";";
/** What stands between the parts of a path: `/`, or `\` on Windows. */
export const SEPARATOR: "/" | "\\";
/** Matches one or more separators. */
export const SEPARATOR_PATTERN: RegExp;

/** The last part of `path`, less `suffix`. */
export function basename(path: string | URL, suffix?: string): string;
/** The longest directory that all of `paths` share. */
export function common(paths: Iterable<string>): string;
/** The directory of `path`. */
export function dirname(path: string | URL): string;
/** The extension of `path`, dot included; empty where there is none. */
export function extname(path: string | URL): string;
/** The path that `pathObject` describes. */
export function format(pathObject: Partial<ParsedPath>): string;
/** The path of a `file:` URL. Throws a `TypeError` for any other URL. */
export function fromFileUrl(url: string | URL): string;
/** A regular expression that matches what `glob` matches. */
export function globToRegExp(glob: string, options?: GlobToRegExpOptions): RegExp;
/** Whether `path` is absolute. */
export function isAbsolute(path: string): boolean;
/** Whether `str` has the signs of a glob. */
export function isGlob(str: string): boolean;
/** The parts joined and normalized. */
export function join(path?: string | URL, ...paths: string[]): string;
/** The globs joined and normalized. */
export function joinGlobs(
  globs: string[],
  options?: Pick<GlobOptions, "extended" | "globstar">,
): string;
/** `path` with `.`, `..` and doubled separators resolved. */
export function normalize(path: string | URL): string;
/** `glob` with `.`, `..` and doubled separators resolved. */
export function normalizeGlob(glob: string, options?: Pick<GlobOptions, "globstar">): string;
/** The parts of `path`. */
export function parse(path: string): ParsedPath;
/** The way from `from` to `to`. */
export function relative(from: string, to: string): string;
/** The absolute path that the segments lead to, from the working directory. */
export function resolve(...pathSegments: string[]): string;
/** The `file:` URL of an absolute path. */
export function toFileUrl(path: string): URL;
/** The namespaced form of a Windows path; elsewhere `path` itself. */
export function toNamespacedPath(path: string): string;
