/** What {@linkcode exists} asks for beyond existence. */
export interface ExistsOptions {
  /** Whether it has to be a directory; default false. */
  isDirectory?: boolean;
  /** Whether it has to be a file; default false. */
  isFile?: boolean;
}

/**
 * Whether `path` exists (and is of the kind asked for); links are followed.
 * Rejects with what `Deno.stat` throws, except for `Deno.errors.NotFound`.
 */
export async function exists(path: string | URL, options: ExistsOptions = {}): Promise<boolean> {
  try {
    return isOfKind(await Deno.stat(path), options);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** {@linkcode exists}, synchronously. */
export function existsSync(path: string | URL, options: ExistsOptions = {}): boolean {
  try {
    return isOfKind(Deno.statSync(path), options);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function isOfKind(info: Deno.FileInfo, options: ExistsOptions): boolean {
  if (options.isDirectory && options.isFile) {
    throw new TypeError("Cannot check existence: isDirectory and isFile exclude each other");
  }
  if (options.isDirectory) return info.isDirectory;
  if (options.isFile) return info.isFile;
  return true;
}
