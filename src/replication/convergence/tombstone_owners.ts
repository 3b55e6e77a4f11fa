/** What the owners of tombstones are asked, and told: whether they have them, and to forget them. */
import { joinFrames } from "../../record/frame.ts";
import type { StoredRecord } from "../../record/record.ts";
import { compareVersions } from "../../record/version.ts";
import type { Store } from "../../storage/store.ts";
import {
  decodeReadReplies,
  DURABLE_HEADER,
  encodeReadQuestion,
  type ReadQuestion,
  type ReadReply,
  RING_HEADER,
} from "../peers/internal_protocol.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import type { Replica } from "../replica.ts";
import type { Owner } from "../topology/owner.ts";

/** How owners are reached: this node itself, and the others. */
export interface TombstoneOwnersOptions {
  store: Pick<Store, "sync">;
  replica: Pick<Replica, "answer">;
  linkTo(name: string): PeerLink | undefined;
}

const encoder = new TextEncoder();

/**
 * All owners of some keys. Up to N members one that joins counts for writes while one of the others
 * does not know it yet: what that one counts are not all owners, and those who know better refuse.
 */
export interface KnownOwners {
  readonly owners: readonly Owner[];
  /** Of the ring by which they are all. */
  readonly fingerprint: string;
}

/** Asks owners, and tells them. */
export class TombstoneOwners {
  readonly #options: TombstoneOwnersOptions;

  constructor(options: TombstoneOwnersOptions) {
    this.#options = options;
  }

  /**
   * What an owner has on its device; undefined when it does not answer. One that confirmed a tombstone
   * which power failure then took would bring back what others have forgotten.
   *
   * @param fingerprint Of a ring: who goes by another one does not answer.
   */
  async ask(
    owner: Owner,
    questions: readonly ReadQuestion[],
    fingerprint?: string,
  ): Promise<ReadReply[] | undefined> {
    if (owner.isSelf) {
      const replies = this.#options.replica.answer(questions);
      await this.#options.store.sync();
      return replies;
    }
    const link = owner.member === undefined ? undefined : this.#options.linkTo(owner.name);
    if (link === undefined || link.isOpen) return undefined;
    try {
      const body = encoder.encode(questions.map(encodeReadQuestion).join(""));
      const headers = {
        [DURABLE_HEADER]: "1",
        ...(fingerprint === undefined ? {} : { [RING_HEADER]: fingerprint }),
      };
      const { workTimeoutMs: timeoutMs } = link;
      const response = await link.request("POST", "/internal/read", { body, headers, timeoutMs });
      return decodeReadReplies(response.body, questions);
    } catch {
      return undefined;
    }
  }

  /** Those of the records that every owner has on its device. */
  async confirmedByAll(
    { owners, fingerprint }: KnownOwners,
    records: readonly StoredRecord[],
  ): Promise<StoredRecord[]> {
    let confirmed = [...records];
    for (const owner of owners) {
      // An owner that is being refilled, or while a member is being removed, may still be given older
      // records by others.
      const questions = confirmed.map((record) => ({ key: record.key, have: record }));
      const isComplete = owner.countsForReads && owner.member?.removals === undefined;
      const replies = isComplete ? await this.ask(owner, questions, fingerprint) : undefined;
      confirmed = replies === undefined
        ? []
        : confirmed.filter((record, i) => confirms(replies[i], record));
      if (confirmed.length === 0) return confirmed;
    }
    return confirmed;
  }

  /**
   * Has the other owners forget, one after the other up to the first that fails. Those before it get
   * the records back from one that keeps them, which harms nobody, and a later round tries again.
   *
   * @returns Whether all of them did.
   */
  async othersCollect(
    { owners, fingerprint }: KnownOwners,
    records: readonly StoredRecord[],
  ): Promise<boolean> {
    const body = joinFrames(records);
    for (const { isSelf, name } of owners) {
      if (isSelf) continue;
      const link = this.#options.linkTo(name);
      if (link === undefined) return false;
      try {
        await link.request("POST", "/internal/collect", {
          body,
          headers: { [RING_HEADER]: fingerprint },
          timeoutMs: link.workTimeoutMs,
        });
      } catch {
        return false;
      }
    }
    return true;
  }
}

/** Whether an owner that answers so has this very version. */
export function confirms(reply: ReadReply | undefined, record: StoredRecord): boolean {
  return reply === "same" ||
    (typeof reply === "object" && compareVersions(reply, record) === 0);
}
