/** What fails at a disk, as errors of this house. */
import { ConvergeError } from "../../errors.ts";

/**
 * Does something with a file.
 *
 * @param what As in "Cannot `what` `path`".
 * @throws {ConvergeError} `disk_full`, `disk_failed`; the action's own, if it throws one.
 */
export function attempt<T>(what: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw diskError(what, path, error);
  }
}

/** As `attempt`. */
export async function attemptAsync<T>(
  what: string,
  path: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw diskError(what, path, error);
  }
}

/** ENOSPC, EDQUOT and EFBIG are a matter of space; everything else is a failure of the disk. */
export function diskError(what: string, path: string, cause: unknown): ConvergeError {
  if (cause instanceof ConvergeError) return cause;
  const errno = errnoOf(cause);
  const full = errno === "ENOSPC" || errno === "EDQUOT" || errno === "EFBIG";
  const code = full ? "disk_full" : "disk_failed";
  return new ConvergeError(code, `Cannot ${what} ${path}: ${reasonOf(cause)}`, { cause });
}

/** Deno's own words for what a program may not do name a flag that a compiled one does not have. */
function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.NotCapable) return "not permitted";
  return cause instanceof Error ? cause.message : String(cause);
}

/** The name of a system's error, like `ENOSPC`; empty where it is not known. */
export function errnoOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === "string" && code.startsWith("E")) return code;
  const number = /os error (\d+)/.exec(String(message))?.[1];
  const names: Record<string, string> = { "27": "EFBIG", "28": "ENOSPC", "122": "EDQUOT" };
  return names[number ?? ""] ?? "";
}
