/** Every defect that can be put in. */
import { CLUSTER_DEFECTS } from "./cluster_defects.ts";
import type { Defect } from "./defect.ts";
import { DISK_DEFECTS } from "./disk_defects.ts";
import { QUORUM_DEFECTS } from "./quorum_defects.ts";
import { STORE_DEFECTS } from "./store_defects.ts";
import { VERSION_DEFECTS } from "./version_defects.ts";

/** In the order of design section 7. */
export const ALL_DEFECTS: readonly Defect[] = [
  ...VERSION_DEFECTS,
  ...QUORUM_DEFECTS,
  ...CLUSTER_DEFECTS,
  ...DISK_DEFECTS,
  ...STORE_DEFECTS,
];
