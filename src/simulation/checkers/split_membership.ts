/** After healing all nodes agree on who the members are, where they are and how far. */
import type { Evidence, Violation } from "../evidence/evidence.ts";

/** Judges the views at the end against the first one. */
export function checkSplitMembership(evidence: Evidence): Violation[] {
  const [first, ...others] = evidence.views;
  if (first === undefined) return [];
  const expected = [...first.members].sort();
  return others.flatMap((view) => {
    const members = [...view.members].sort();
    if (members.join("\n") === expected.join("\n")) return [];
    const only = (a: readonly string[], b: readonly string[]) => a.filter((m) => !b.includes(m));
    return [{
      checker: "split_membership",
      message: `${first.node} sees [${only(expected, members).join("; ")}], ` +
        `${view.node} sees [${only(members, expected).join("; ")}]`,
      keys: [],
      operations: [],
    }];
  });
}
