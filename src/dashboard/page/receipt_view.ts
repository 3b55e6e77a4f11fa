/// <reference lib="dom" />
/** A receipt as a timeline: one lane per owner, and the moment of the answer. */
import type { CopiesView } from "../../http/copies_routes.ts";
import type { OwnerReceipt, Receipt } from "../../replication/requests/receipt.ts";
import { h, nodeLabel } from "./dom.ts";
import { bytes, duration, shortName } from "./format.ts";

/** Draws a receipt. */
export function drawReceipt(
  parent: HTMLElement,
  receipt: Receipt,
  colourOf: (name: string) => number,
): void {
  const longest = Math.max(receipt.ms, ...receipt.owners.map(({ ms }) => ms ?? 0), 0.1);
  const scale = (ms: number) => `${Math.min(100, ms / (longest * 1.08) * 100)}%`;
  const lanes = receipt.owners.map((owner) => {
    const bar = h("span", { class: `bar swatch${colourOf(owner.name)}` });
    bar.style.width = owner.ms === undefined ? "0" : scale(owner.ms);
    const mark = h("span", { class: "mark" });
    mark.style.left = scale(receipt.ms);
    const isCoordinator = owner.name === receipt.coordinator;
    return h(
      "li",
      { class: "lane" },
      nodeLabel(colourOf(owner.name), owner.name, shortName(owner.name)),
      h(
        "span",
        { class: "track" },
        bar,
        mark,
        h("span", { class: "track-label" }, storyOf(owner, isCoordinator)),
      ),
      h("span", { class: "lane-ms" }, owner.ms === undefined ? "–" : duration(owner.ms)),
    );
  });
  const { n, r, w } = receipt.quorums;
  parent.replaceChildren(
    h("h3", {}, `${receipt.operation.toUpperCase()} answered after ${duration(receipt.ms)}`),
    h("ol", { class: "timeline", "aria-label": "What each owner did, and when" }, ...lanes),
    h(
      "p",
      { class: "facts" },
      ...fact("coordinator", receipt.coordinator),
      ...fact("token", receipt.token),
      ...fact("quorum", `${receipt.required} of ${n} (R ${r}, W ${w})`),
      ...fact("version", receipt.version ?? "none"),
      ...fact("promises", receipt.strict ? "strict" : "weaker, as asked for"),
    ),
  );
}

/** Draws what each owner holds. */
export function drawCopies(
  parent: HTMLElement,
  { owners }: CopiesView,
  colourOf: (name: string) => number,
): void {
  const rows = owners.map(({ name, holds, version, bytes: size }) =>
    h(
      "tr",
      {},
      h("td", {}, nodeLabel(colourOf(name), name, shortName(name))),
      h("td", {}, size === undefined ? holds : `${holds} (${bytes(size)} on disk)`),
      h("td", {}, version ?? "–"),
    )
  );
  const heads = ["Owner", "Holds", "Version"].map((head) => h("th", { scope: "col" }, head));
  parent.replaceChildren(
    h(
      "table",
      {},
      h("caption", {}, "Each owner's copy"),
      h("thead", {}, h("tr", {}, ...heads)),
      h("tbody", {}, ...rows),
    ),
  );
}

function storyOf(owner: OwnerReceipt, isCoordinator: boolean): string {
  const parts = [owner.outcome];
  if (owner.fsynced) parts.push("on disk");
  if (owner.repaired) parts.push("repaired");
  if (owner.hinted) parts.push("hint kept");
  if (!owner.countsForQuorum) parts.push("does not count yet");
  if (isCoordinator) parts.push("coordinator");
  return parts.join(" · ");
}

function fact(name: string, value: string): Node[] {
  return [h("span", {}, `${name} `, h("b", {}, value))];
}
