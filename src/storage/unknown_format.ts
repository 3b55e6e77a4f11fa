/** Refuses what a later version wrote: it is no damage, so nothing of it is mended or given up. */
import { ConvergeError } from "../errors.ts";

/** @param what The file, for people. */
export function unknownFormat(what: string, format: unknown, known: number): ConvergeError {
  return new ConvergeError(
    "wrong_data",
    `Cannot read ${what}: its format is ${format}, known is ${known}`,
    { details: { format } },
  );
}
