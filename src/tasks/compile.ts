/**
 * Builds `dist/converge`, the one file that a node needs.
 *
 * `deno compile` is tried first. It downloads its base runtime, which cannot be had on every build
 * machine; there the running `deno` and a bundle of `main.ts` are packed into one self-extracting
 * file instead. Both start with the same permissions.
 *
 * Usage: `deno task compile [entry] [output]`
 *
 * @module
 */
import { ensureDir } from "@std/fs";
import { basename, dirname, join } from "@std/path";
import { packSelfExtracting } from "./self_extracting.ts";

/** What the binary may do. Paths are relative to where it is started. */
const PERMISSIONS = [
  "--no-prompt",
  "--allow-net",
  "--allow-read=./data",
  "--allow-write=./data",
  "--allow-env=CONVERGE_*,WS_NO_*",
  "--allow-sys=statfs",
];

/** What `deno compile` says where only its base runtime is missing. */
const BASE_IS_MISSING = "Setting up base binary";

/** Runs this very `deno`; its output is kept. */
async function deno(...args: string[]): Promise<{ success: boolean; log: string }> {
  const command = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { success, log: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function bundle(entry: string, output: string): Promise<Uint8Array> {
  const path = await Deno.makeTempFile({ dir: dirname(output), prefix: ".bundle-", suffix: ".js" });
  try {
    const { success, log } = await deno(
      "bundle",
      "--platform=deno",
      "--format=esm",
      "--output",
      path,
      entry,
    );
    if (!success) throw new Error(`Cannot bundle ${entry}:\n${log}`);
    return await Deno.readFile(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Into a place of its own first: `deno compile` writes over no file that it did not make itself. */
async function compileWithBase(
  entry: string,
  output: string,
): Promise<{ success: boolean; log: string }> {
  const directory = await Deno.makeTempDir({ dir: dirname(output), prefix: ".compile-" });
  try {
    const compiled = join(directory, basename(output));
    const result = await deno("compile", ...PERMISSIONS, "--output", compiled, entry);
    if (result.success) await Deno.rename(compiled, output);
    return result;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function compile(entry: string, output: string): Promise<void> {
  const { success, log } = await compileWithBase(entry, output);
  if (success) return;
  if (!log.includes(BASE_IS_MISSING)) throw new Error(`Cannot compile ${entry}:\n${log}`);
  console.log(
    "The base runtime of deno compile cannot be had here: packing a self-extracting file.",
  );
  await packSelfExtracting({
    runtime: await Deno.readFile(Deno.execPath()),
    bundle: await bundle(entry, output),
    permissions: PERMISSIONS,
    output,
  });
}

if (import.meta.main) {
  const [entry = "main.ts", output = "dist/converge"] = Deno.args;
  await ensureDir(dirname(output));
  try {
    await compile(entry, output);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
  const { size } = await Deno.stat(output);
  console.log(`${output}: ${(size / 1e6).toFixed(1)} MB`);
}
