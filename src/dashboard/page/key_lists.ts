/// <reference lib="dom" />
/** Keys by prefix, page by page; hot keys; tombstone debt. */
import type { ClusterEvent } from "../../http/cluster_watch.ts";
import { type JsonKey, keyOfLabel, keyOfPath, type KeyPage, labelOf, listKeys } from "./api.ts";
import { byId, h, nodeLabel, setText } from "./dom.ts";
import { amount, shortName } from "./format.ts";

const PAGE_KEYS = 8;
const HOT_KEYS = 6;

type Cursor = Pick<KeyPage, "next" | "nextb">;

/** Browses by prefix. @returns What shows the same page once more, after a write. */
export function browseKeys(open: (key: JsonKey) => void): () => void {
  const prefix = byId<HTMLInputElement>("prefix");
  const first = byId<HTMLButtonElement>("first");
  const next = byId<HTMLButtonElement>("next");
  let shown = { prefix: { k: "" } as JsonKey, page: 1, after: {} as Cursor, cursor: {} as Cursor };
  /** Counts requests: an answer that was overtaken is not shown. */
  let latest = 0;
  const show = async (prefix: JsonKey, page: number, after: Cursor) => {
    const turn = ++latest;
    try {
      const { keys, ...cursor } = await listKeys(prefix, after, PAGE_KEYS);
      if (turn !== latest) return;
      shown = { prefix, page, after, cursor };
      byId("keys").replaceChildren(...keys.map((key) => h("li", {}, keyButton(key, open))));
      first.disabled = page === 1;
      next.disabled = cursor.next === undefined && cursor.nextb === undefined;
      setText(byId("page"), keys.length === 0 ? "No keys" : `Page ${page}`);
    } catch (error) {
      if (turn !== latest) return;
      setText(byId("page"), error instanceof Error ? error.message : String(error));
    }
  };
  byId("browse").addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = keyOfLabel(prefix.value);
    if (wanted === undefined) setText(byId("page"), "Behind base64: there is none");
    else void show(wanted, 1, {});
  });
  first.addEventListener("click", () => void show(shown.prefix, 1, {}));
  next.addEventListener("click", () => void show(shown.prefix, shown.page + 1, shown.cursor));
  void show(keyOfLabel(prefix.value) ?? shown.prefix, 1, {});
  return () => {
    // A button that has the focus must keep it.
    if (byId("keys").contains(document.activeElement)) return;
    void show(shown.prefix, shown.page, shown.after);
  };
}

/** Shows which keys are asked for most, on all nodes together. */
export class HotKeysView {
  readonly #open: (key: JsonKey) => void;
  #shown = "";

  constructor(open: (key: JsonKey) => void) {
    this.#open = open;
  }

  update(event: ClusterEvent): void {
    const requests = new Map<string, number>();
    for (const { sample } of event.members) {
      for (const hot of sample?.hotKeys ?? []) {
        requests.set(hot.path, (requests.get(hot.path) ?? 0) + hot.requests);
      }
    }
    const hottest = [...requests].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, HOT_KEYS);
    const shown = JSON.stringify(hottest);
    // A button that has the focus must keep it.
    if (shown === this.#shown || byId("hot").contains(document.activeElement)) return;
    this.#shown = shown;
    byId("hot-none").hidden = hottest.length > 0;
    const most = hottest[0]?.[1] ?? 1;
    byId("hot").replaceChildren(...hottest.map(([path, count]) => {
      const bar = h("i");
      bar.style.width = `${count / most * 100}%`;
      return h(
        "li",
        {},
        keyButton(keyOfPath(path), this.#open),
        h("span", { class: "heat", "aria-hidden": "true" }, bar),
        h("span", { class: "count" }, amount(count)),
      );
    }));
  }
}

/** Shows how many tombstones wait for confirmation, per node. */
export class TombstonesView {
  readonly #colourOf: (name: string) => number;
  #shown = "";

  constructor(colourOf: (name: string) => number) {
    this.#colourOf = colourOf;
  }

  update(event: ClusterEvent): void {
    const rows = event.members.map(({ name, sample }) => ({ name, ...sample?.tombstones }));
    const shown = JSON.stringify(rows);
    if (shown === this.#shown) return;
    this.#shown = shown;
    byId("deletes").replaceChildren(h(
      "table",
      {},
      h("caption", { class: "visually-hidden" }, "Tombstones per node"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Node"),
          h("th", { scope: "col" }, "Waiting"),
          h("th", { scope: "col" }, "Collected"),
        ),
      ),
      h(
        "tbody",
        {},
        ...rows.map(({ name, tombstones, collected }) =>
          h(
            "tr",
            {},
            h("td", {}, nodeLabel(this.#colourOf(name), name, shortName(name))),
            h("td", {}, tombstones === undefined ? "–" : amount(tombstones)),
            h("td", {}, collected === undefined ? "–" : amount(collected)),
          )
        ),
      ),
    ));
  }
}

function keyButton(key: JsonKey, open: (key: JsonKey) => void): HTMLElement {
  const label = labelOf(key);
  const button = h("button", { type: "button", title: label }, label);
  button.addEventListener("click", () => open(key));
  return button;
}

/** `3 tombstones`, for the tile. */
export function tombstonesOf(event: ClusterEvent): number {
  return event.members.reduce((sum, { sample }) => sum + (sample?.tombstones.tombstones ?? 0), 0);
}
