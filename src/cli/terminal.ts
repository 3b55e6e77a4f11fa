/** The three standard streams, as commands use them. */

const encoder = new TextEncoder();

/** Writes a line to standard output. */
export function printLine(line: string): void {
  writeAll(Deno.stdout, encoder.encode(line + "\n"));
}

/** Writes a line to standard error. */
export function printError(line: string): void {
  writeAll(Deno.stderr, encoder.encode(line + "\n"));
}

/** Writes bytes to standard output as they are. */
export function printBytes(bytes: Uint8Array): void {
  writeAll(Deno.stdout, bytes);
}

/** All of standard input. */
export async function readInput(): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(Deno.stdin.readable).bytes();
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  try {
    let written = 0;
    while (written < bytes.byteLength) written += stream.writeSync(bytes.subarray(written));
  } catch (error) {
    // `converge export | head`: the reader has enough, which is no failure of ours.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}
