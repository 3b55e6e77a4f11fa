/** The three standard streams, as commands use them. */
import { joinBytes } from "../../record/join_bytes.ts";
import { CommandError } from "./command_error.ts";

const encoder = new TextEncoder();

/** Writes a line to standard output. @throws {CommandError} When it takes no more. */
export function printLine(line: string): void {
  printBytes(encoder.encode(line + "\n"));
}

/**
 * Writes a line to standard output for whoever may read it: what goes on by itself does so, too, where
 * nobody does, or where the file that it goes to has no room.
 */
export function printNotice(line: string): void {
  try {
    writeAll(Deno.stdout, encoder.encode(line + "\n"));
  } catch {
    // What serves outlives its output.
  }
}

/** Writes a line to standard error; one that takes no more leaves nowhere to say so. */
export function printError(line: string): void {
  try {
    writeAll(Deno.stderr, encoder.encode(line + "\n"));
  } catch {
    // The exit code still tells.
  }
}

/** Writes bytes to standard output as they are. @throws {CommandError} When it takes no more. */
export function printBytes(bytes: Uint8Array): void {
  try {
    writeAll(Deno.stdout, bytes);
  } catch (cause) {
    // `converge export | head`: the reader has enough, which is no failure of ours.
    if (cause instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw new CommandError(`Cannot write to standard output: ${systemWords(cause)}`, { cause });
  }
}

/** All of standard input. @throws {CommandError} When it cannot be read, or is longer than so much. */
export async function readInput(bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of Deno.stdin.readable) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new CommandError(`Cannot read standard input: ${systemWords(cause)}`, { cause });
  }
  if (bytes <= bytesMax) return joinBytes(chunks);
  throw new CommandError(`Cannot read standard input: it is over ${bytesMax} bytes`);
}

/** What the system said about a failure, without its number. */
export function systemWords(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  return words.replace(/ \(os error \d+\)$/, "");
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.byteLength) written += stream.writeSync(bytes.subarray(written));
}
