/**
 * Makes sure that `dir` is a directory, creating it and its parents where they are missing.
 * Rejects with what `Deno.mkdir` throws, such as `Deno.errors.AlreadyExists` for a file.
 */
export async function ensureDir(dir: string | URL): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
}

/** {@linkcode ensureDir}, synchronously. */
export function ensureDirSync(dir: string | URL): void {
  Deno.mkdirSync(dir, { recursive: true });
}
