/**
 * One executable file from a runtime and a bundle: a POSIX shell header, then both, gzipped.
 *
 * The header unpacks each of them once, under a name that holds the hash of its content, into a
 * directory that only its user can enter, and becomes the runtime (`exec`: signals and the process
 * id are the node's own). Nodes that start together may unpack together: a file appears by rename,
 * whole and synced, or not at all.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import headerTemplate from "./self_extracting_header.sh" with { type: "text" };

/** What goes into the file. */
export interface SelfExtracting {
  /** The `deno` executable. */
  runtime: Uint8Array;
  /** The program, one JavaScript module. */
  bundle: Uint8Array;
  /** Flags of `deno run`; none of them may hold a single quote. */
  permissions: string[];
  /** Where the file is written, mode 0755. */
  output: string;
}

/** Writes the file, by rename: a binary that runs is never changed under its feet. */
export async function packSelfExtracting(parts: SelfExtracting): Promise<void> {
  const runtime = gzipSync(parts.runtime);
  const bundle = gzipSync(parts.bundle);
  const header = fill(headerTemplate, {
    RUNTIME_NAME: `deno-${contentId(parts.runtime)}`,
    RUNTIME_BYTES: `${runtime.length}`,
    BUNDLE_NAME: `converge-${contentId(parts.bundle)}.js`,
    BUNDLE_BYTES: `${bundle.length}`,
    PERMISSIONS: parts.permissions.map((flag) => `'${flag}'`).join(" "),
  });
  const unfinished = `${parts.output}.tmp`;
  using file = await Deno.open(unfinished, { write: true, create: true, truncate: true });
  for (const part of [new TextEncoder().encode(header), runtime, bundle]) {
    await writeAll(file, part);
  }
  await Deno.chmod(unfinished, 0o755);
  await Deno.rename(unfinished, parts.output);
}

function contentId(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function fill(template: string, values: Record<string, string>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`Cannot fill the header: no value for ${name}`);
    return value;
  });
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}
