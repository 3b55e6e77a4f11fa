/**
 * Lives of a name whose place another life has taken: the disk of one was lost, and may be found again
 * when the other has long counted. What is on it then is as old as any old copy. Pure.
 */
import { isOtherStart, type Member, type Start } from "./member.ts";
import { LIVES_MAX } from "./removal.ts";

/** Whether another life says that it took the place of this one. */
export function isReplaced({ nodeID }: Start, by: Member): boolean {
  return by.replaces?.some((life) => life.nodeID === nodeID) ?? false;
}

/**
 * Whether a life was started again after another one took its place. Not so one that still runs: of two
 * at once nobody knows yet which one is to stay, see `twin_detector.ts`.
 */
export function isStartedAfter(life: Start, by: Member): boolean {
  return by.replaces?.some((heard) =>
    heard.nodeID === life.nodeID && (heard.starts !== life.starts || isOtherStart(heard, life))
  ) ?? false;
}

/**
 * What a node says of itself, once it knows of more lives whose place it has taken.
 *
 * @param earlier What others have passed on. @param last One that was heard; it may be this one.
 */
export function withReplaced(self: Member, earlier: readonly Start[], last: Start): Member {
  const said = self.replaces ?? [];
  // What it says already keeps its order: else statements of two orders would change it in turn for ever.
  const isSaid = ({ nodeID, starts }: Start) =>
    said.some((life) => life.nodeID === nodeID && life.starts >= starts);
  const news = earlier.filter((life) => !isSaid(life));
  const lives = new Map<string, Start>();
  for (const { nodeID, starts, startTag } of [...news, ...said, last]) {
    if (nodeID === self.nodeID || (lives.get(nodeID)?.starts ?? -1) >= starts) continue;
    lives.set(nodeID, { nodeID, starts, ...(startTag === undefined ? {} : { startTag }) });
  }
  return lives.size === 0 ? self : { ...self, replaces: [...lives.values()].slice(-LIVES_MAX) };
}

/** Whether two statements of one life name the same lives. */
export function isSameReplaced(a: Member, b: Member): boolean {
  return JSON.stringify(a.replaces) === JSON.stringify(b.replaces);
}
