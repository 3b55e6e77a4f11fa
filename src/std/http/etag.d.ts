/**
 * Types of `@std/http/etag`, which the npm build carries none of.
 *
 * @module
 */

/** A file's state, of which an entity tag can be made without reading the file. */
export interface FileInfo {
  /** When it was modified last. */
  mtime: Date | null;
  /** Its size in bytes. */
  size: number;
}

/** Options of {@linkcode eTag}. */
export interface ETagOptions {
  /** The digest; default `SHA-256`. */
  algorithm?: "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
  /** Whether the tag is weak; default false for content, true for a {@linkcode FileInfo}. */
  weak?: boolean;
}

/** The entity tag of `entity`, quotes included (RFC 9110, section 8.8.3). */
export function eTag(entity: string | Uint8Array, options?: ETagOptions): Promise<string>;
/** The entity tag of a file, or `undefined` where its time of modification is not known. */
export function eTag(entity: FileInfo, options?: ETagOptions): Promise<string | undefined>;

/**
 * Whether the tag fulfils an `If-Match` header, by strong comparison (RFC 9110, section 13.1.1).
 * False without a header.
 */
export function ifMatch(value: string | null, etag: string | undefined): boolean;

/**
 * Whether the tag fulfils an `If-None-Match` header, by weak comparison (RFC 9110, section 13.1.2).
 * False says that 304 is the answer; true without a header.
 */
export function ifNoneMatch(value: string | null, etag: string | undefined): boolean;
