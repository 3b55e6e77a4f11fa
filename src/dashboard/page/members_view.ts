/// <reference lib="dom" />
/** The members: what each is, carries and waits for; and, under `converge cluster`, its buttons. */
import type { ClusterStatus, NodeState } from "../../cli/local/local_cluster.ts";
import type { ClusterEvent, WatchedMember } from "../../http/cluster_watch.ts";
import type { Control } from "./control.ts";
import { byId, h, nodeLabel, setText } from "./dom.ts";
import { amount, bytes, duration, percent, plural } from "./format.ts";
import { hintsOf, type Point } from "./rates.ts";

const FIGURES = ["owns", "tokens", "load", "disk", "hints", "lag"] as const;
const FIGURE_NAMES = {
  owns: "Owns",
  tokens: "Tokens",
  load: "Load",
  disk: "Disk",
  hints: "Hints kept",
  lag: "Loop lag",
};

interface Row {
  element: HTMLElement;
  state: HTMLElement;
  progress: HTMLElement;
  figures: Record<typeof FIGURES[number], HTMLElement>;
  actions: HTMLElement;
}

/** The list of members. */
export class MembersView {
  readonly #colourOf: (name: string) => number;
  readonly #rows = new Map<string, Row>();
  readonly #links = byId("links");
  #control: Control | undefined;
  #status: ClusterStatus | undefined;
  #event: ClusterEvent | undefined;
  #shownActions = "";

  constructor(colourOf: (name: string) => number) {
    this.#colourOf = colourOf;
  }

  /** Gives the members buttons. */
  setControl(control: Control): void {
    this.#control = control;
  }

  /** How the processes stand, as their control knows it. */
  setStatus(status: ClusterStatus): void {
    this.#status = status;
    // Where the node of this page stands still, no event comes that would tell.
    if (this.#event !== undefined) this.#showStates(this.#event);
    this.#drawActions();
  }

  /** Shows how many tokens each member has on the ring. */
  setTokens(tokens: ReadonlyMap<string, number>): void {
    for (const name of tokens.keys()) this.#rowOf(name);
    for (const [name, { figures }] of this.#rows) {
      setText(figures.tokens, amount(tokens.get(name) ?? 0));
    }
  }

  /** Shows an event. */
  update(event: ClusterEvent, point: Point): void {
    this.#event = event;
    this.#dropGone(event);
    this.#showStates(event);
    for (const member of event.members) {
      const row = this.#rowOf(member.name);
      const { sample } = member;
      setText(row.figures.owns, percent(member.ownership));
      setText(
        row.figures.load,
        sample === null ? "–" : `${amount(point.perNode.get(member.name) ?? 0)} /s`,
      );
      setText(row.figures.disk, sample === null ? "–" : bytes(sample.diskBytes));
      setText(row.figures.hints, sample === null ? "–" : amount(hintsOf(sample)));
      setText(row.figures.lag, sample === null ? "–" : duration(sample.lagMs));
    }
    this.#drawActions();
  }

  #showStates(event: ClusterEvent): void {
    for (const member of event.members) {
      const row = this.#rowOf(member.name);
      const process = this.#status?.nodes.find(({ name }) => name === member.name)?.state;
      const [text, look] = stateOf(member, process);
      setText(row.state, text);
      row.state.className = `badge ${look}`;
      setText(row.progress, progressOf(member, event));
    }
  }

  /** Who was removed is no member any more. */
  #dropGone({ members }: ClusterEvent): void {
    for (const [name, { element }] of this.#rows) {
      if (members.some((member) => member.name === name)) continue;
      element.remove();
      this.#rows.delete(name);
    }
  }

  #rowOf(name: string): Row {
    const existing = this.#rows.get(name);
    if (existing !== undefined) return existing;
    const state = h("span", { class: "badge" });
    const progress = h("span", { class: "note" });
    const actions = h("div", { class: "member-actions" });
    const figures = {} as Row["figures"];
    const cells = FIGURES.map((figure) => {
      figures[figure] = h("b", {}, "–");
      return h("div", { class: "figure" }, h("span", {}, FIGURE_NAMES[figure]), figures[figure]);
    });
    const element = h(
      "article",
      { class: "member", "aria-label": name },
      h(
        "div",
        { class: "member-head" },
        nodeLabel(this.#colourOf(name), name),
        state,
      ),
      ...cells,
      actions,
    );
    actions.append(progress);
    const row = { element, state, progress, figures, actions };
    this.#rows.set(name, row);
    byId("members").append(element);
    return row;
  }

  /** Buttons are made anew only when they change: one that has the focus must keep it. */
  #drawActions(): void {
    const status = this.#status;
    const control = this.#control;
    if (status === undefined || control === undefined) return;
    const shown = JSON.stringify(status) + this.#rows.size;
    if (shown === this.#shownActions) return;
    this.#shownActions = shown;
    const focused = document.activeElement?.id ?? "";
    for (const { name, state } of status.nodes) {
      const row = this.#rows.get(name);
      row?.actions.replaceChildren(
        ...actionsOf(state).map((action) =>
          button(
            `${action}-${name}`,
            capital(action),
            `${capital(action)} ${name}`,
            () => control.act(name, action),
          )
        ),
        row.progress,
      );
    }
    const cuts = new Set(status.cuts.map((pair) => [...pair].sort().join(" ")));
    const names = status.nodes.map(({ name }) => name).filter((name) => this.#rows.has(name));
    this.#links.replaceChildren(
      h("span", { class: "note" }, "Links"),
      ...names.flatMap((a, i) =>
        names.slice(i + 1).map((b) => {
          const isCut = cuts.has([a, b].sort().join(" "));
          const label = `${isCut ? "Heal" : "Cut"} ${a} – ${b}`;
          return button(`link-${a}-${b}`, label, label, () =>
            control.link(a, b, isCut ? "heal" : "cut"));
        })
      ),
    );
    const again = document.getElementById(focused);
    if (again !== null && document.activeElement !== again) again.focus();
  }
}

function button(id: string, text: string, label: string, act: () => Promise<void>): HTMLElement {
  const element = h("button", { type: "button", class: "small", id, "aria-label": label }, text);
  element.addEventListener("click", async () => {
    element.disabled = true;
    await act();
    element.disabled = false;
  });
  return element;
}

function actionsOf(state: NodeState): string[] {
  if (state === "running") return ["stop", "pause", "restart", "kill"];
  if (state === "paused") return ["resume", "kill"];
  return state === "stopped" || state === "failed" ? ["start"] : [];
}

function stateOf(member: WatchedMember, process: NodeState | undefined): [string, string] {
  if (process !== undefined && process !== "running") return [process, "bad"];
  if (member.state !== "up") return [member.state, member.state === "down" ? "bad" : "warn"];
  if (member.leaving) return ["leaving", "warn"];
  return member.status === "normal" ? ["up", "good"] : [member.status, "warn"];
}

/** What of its way to being a full member again is to be told. */
function progressOf(member: WatchedMember, event: ClusterEvent): string {
  const { state, silentMs, sample, status } = member;
  const owed = owedTo(member, event);
  if (state !== "up" && silentMs !== null) {
    const silence = `silent for ${duration(silentMs)}`;
    return owed === "" ? silence : `${silence} · ${owed}`;
  }
  if (status !== "normal" && sample !== null) {
    const { done, pulled } = sample.refill;
    const others = event.members.length - 1;
    return `catching up: ${plural(pulled, "record")}, ${done.length} of ${others} nodes read`;
  }
  if (owed !== "") return `${owed} for it`;
  return sample === null ? "does not answer this page" : "";
}

/** Hints that others keep for a member; empty where none does. */
function owedTo({ name }: WatchedMember, event: ClusterEvent): string {
  const hints = event.members.reduce(
    (sum, { sample }) => sum + (sample?.hintsWaiting[name] ?? 0),
    0,
  );
  return hints === 0 ? "" : `${plural(hints, "hint")} ${hints === 1 ? "waits" : "wait"}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
