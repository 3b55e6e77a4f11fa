/** Every defect that can be put in. */
import type { Defect } from "./defect.ts";

/** By the order of design section 7. */
export const ALL_DEFECTS: readonly Defect[] = [];
