/** Every checker by name. */
import type { Checker } from "../evidence/evidence.ts";
import { checkBackwardReads } from "./backward_read.ts";
import { checkBrokenPromises } from "./broken_promise.ts";
import { checkDishonestFailures } from "./dishonest_failure.ts";
import { checkDivergedOwners } from "./diverged_owners.ts";
import { checkExceededBounds } from "./exceeded_bound.ts";
import { checkExpiredValues } from "./expired_value.ts";
import { checkKeptLeftovers } from "./kept_leftover.ts";
import { checkLosingWrites } from "./losing_write.ts";
import { checkLostWrites } from "./lost_write.ts";
import { checkMissedDeadlines } from "./missed_deadline.ts";
import { checkPhantomValues } from "./phantom_value.ts";
import { checkResurrectedDeletes } from "./resurrected_delete.ts";
import { checkSharedVersions } from "./shared_version.ts";
import { checkSplitMembership } from "./split_membership.ts";
import { checkStaleReads } from "./stale_read.ts";
import { checkUnbackedAcks } from "./unbacked_ack.ts";
import { checkUnexpectedErrors } from "./unexpected_error.ts";
import { checkUnorderedHistories } from "./unordered_history.ts";

/** In the order of reports: causes before their consequences. */
export const CHECKERS: Readonly<Record<string, Checker>> = {
  unexpected_error: checkUnexpectedErrors,
  broken_promise: checkBrokenPromises,
  shared_version: checkSharedVersions,
  unbacked_ack: checkUnbackedAcks,
  dishonest_failure: checkDishonestFailures,
  losing_write: checkLosingWrites,
  resurrected_delete: checkResurrectedDeletes,
  lost_write: checkLostWrites,
  phantom_value: checkPhantomValues,
  expired_value: checkExpiredValues,
  stale_read: checkStaleReads,
  backward_read: checkBackwardReads,
  unordered_history: checkUnorderedHistories,
  diverged_owners: checkDivergedOwners,
  split_membership: checkSplitMembership,
  kept_leftover: checkKeptLeftovers,
  missed_deadline: checkMissedDeadlines,
  exceeded_bound: checkExceededBounds,
};
