/** What checks of files have to say. */
import { ConvergeError } from "../errors.ts";

/** Something that a check has to say. */
export interface Finding {
  /** `damage`: data may be lost, the store does not open or will not serve it. `note`: harmless. */
  severity: "damage" | "note";
  file: string;
  offset?: number;
  problem: string;
}

/** What an error says of a file, in a finding. */
export function messageOf(error: unknown): string {
  if (error instanceof ConvergeError) return error.message;
  return error instanceof Error ? `it cannot be read: ${error.message}` : String(error);
}
