/// <reference lib="dom" />
/** The ring, drawn: arcs in the colours of their first owners, the nodes, a key and what it does. */
import type { ClusterStatus } from "../../cli/local/local_cluster.ts";
import type { ClusterEvent, WatchedMember } from "../../http/cluster_watch.ts";
import type { RingView as Ring } from "../../http/events_routes.ts";
import type { Receipt } from "../../replication/requests/receipt.ts";
import { ringView } from "./api.ts";
import { s } from "./dom.ts";
import { percent, shortName } from "./format.ts";
import {
  angleOf,
  arcPaths,
  CENTER,
  type Place,
  placeAt,
  placeOfNode,
  RING_RADIUS,
  SIZE,
} from "./ring_geometry.ts";

const DISC_RADIUS = 38;
/** More are written smaller. */
const DISC_LETTERS = 8;
/** Real latencies are too short to be seen: milliseconds on the screen for each real one. */
const SLOW_DOWN = 120;
const PULSE_MS_MIN = 350;
const PULSE_MS_MAX = 1_600;

/** The figure. */
export class RingFigure {
  readonly #colourOf: (name: string) => number;
  readonly #svg: SVGSVGElement;
  readonly #arcs = s("g");
  readonly #links = s("g");
  readonly #spokes = s("g");
  readonly #nodes = s("g");
  readonly #key = s("g");
  readonly #pulses = s("g");
  #fingerprint = "";
  #members: WatchedMember[] = [];
  #status: ClusterStatus | undefined;
  #drawn = "";
  #owners: ReadonlySet<string> = new Set();

  readonly #onTokens: (tokens: ReadonlyMap<string, number>) => void;

  constructor(
    parent: HTMLElement,
    colourOf: (name: string) => number,
    onTokens: (tokens: ReadonlyMap<string, number>) => void,
  ) {
    this.#colourOf = colourOf;
    this.#onTokens = onTokens;
    this.#svg = s("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": "The ring" });
    this.#svg.append(
      s("circle", {
        class: "link",
        cx: String(CENTER),
        cy: String(CENTER),
        r: String(RING_RADIUS),
        fill: "none",
      }),
      this.#arcs,
      this.#links,
      this.#spokes,
      this.#nodes,
      this.#key,
      this.#pulses,
    );
    parent.append(this.#svg);
  }

  /** Draws what changed. */
  update(event: ClusterEvent): void {
    this.#members = event.members;
    this.#drawNodes();
    if (event.ring === this.#fingerprint) return;
    this.#fingerprint = event.ring;
    ringView().then((ring) => this.#drawArcs(ring), () => this.#fingerprint = "");
  }

  /** Processes that are away and links that are cut, before their silence tells. */
  setStatus(status: ClusterStatus): void {
    this.#status = status;
    this.#drawNodes();
  }

  /** Shows a key at its place, joined to its owners. */
  showKey(token: string, owners: readonly string[]): void {
    const angle = angleOf(token);
    const at = placeAt(angle, RING_RADIUS);
    this.#key.replaceChildren(
      s("circle", { class: "key-mark", cx: String(at.x), cy: String(at.y), r: "9" }),
    );
    this.#spokes.replaceChildren(...owners.flatMap((name) => {
      const place = this.#placeOf(name);
      return place === undefined ? [] : [line(placeAt(angle, RING_RADIUS - 14), place, "spoke")];
    }));
    this.#owners = new Set(owners);
    this.#drawn = "";
    this.#drawNodes();
  }

  /** Lets what a receipt tells travel from the coordinator to the owners. */
  play({ coordinator, owners }: Receipt): void {
    const from = this.#placeOf(coordinator);
    if (from === undefined || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    for (const { name, ms, outcome } of owners) {
      const to = this.#placeOf(name);
      if (to === undefined || name === coordinator || outcome === "not asked") continue;
      const lost = outcome === "refused" || outcome === "timeout";
      const pulse = s("circle", { class: lost ? "pulse lost" : "pulse", r: "8" });
      this.#pulses.append(pulse);
      const there = `translate(${to.x}px, ${to.y}px)`;
      const half = `translate(${(from.x + to.x) / 2}px, ${(from.y + to.y) / 2}px)`;
      const frames = [
        { transform: `translate(${from.x}px, ${from.y}px)` },
        lost ? { transform: half, opacity: 0 } : { transform: there, opacity: 1 },
      ];
      const length = Math.min(PULSE_MS_MAX, Math.max(PULSE_MS_MIN, (ms ?? 10) * SLOW_DOWN));
      pulse.animate(frames, { duration: length, easing: "ease-in-out", fill: "both" })
        .finished.finally(() => pulse.remove());
    }
  }

  #drawArcs({ nodes, tokens, owners }: Ring): void {
    this.#arcs.replaceChildren(
      ...arcPaths(tokens, owners, nodes.length).map((path, i) =>
        s("path", { class: `arc stroke${this.#colourOf(nodes[i]!)}`, d: path })
      ),
    );
    this.#onTokens(
      new Map(nodes.map((name, i) => [name, owners.filter((owner) => owner === i).length])),
    );
  }

  #drawNodes(): void {
    const cut = new Set(this.#status?.cuts.map((pair) => [...pair].sort().join(" ")));
    const looks = this.#members.map((member) => {
      const { name, ownership } = member;
      return `${name} ${this.#stateOf(member)} ${percent(ownership)} ${this.#owners.has(name)}`;
    });
    const drawing = [...looks, ...cut].join();
    if (drawing === this.#drawn) return;
    this.#drawn = drawing;
    const names = this.#members.map(({ name }) => name);
    this.#links.replaceChildren(...names.flatMap((a, i) =>
      names.slice(i + 1).map((b) =>
        line(
          this.#placeOf(a)!,
          this.#placeOf(b)!,
          cut.has([a, b].sort().join(" ")) ? "link cut" : "link",
        )
      )
    ));
    this.#nodes.replaceChildren(...this.#members.map((member) => this.#drawNode(member)));
    this.#svg.setAttribute(
      "aria-label",
      "The ring. " +
        this.#members.map((member) =>
          `${member.name} is ${this.#stateOf(member)} and first owner of ${
            percent(member.ownership)
          }`
        ).join(", "),
    );
  }

  /** What its process is known to be, else how it is heard. */
  #stateOf({ name, state, status }: WatchedMember): string {
    const process = this.#status?.nodes.find((node) => node.name === name)?.state ?? "running";
    if (process !== "running") return process;
    return state === "up" && status !== "normal" ? status : state;
  }

  #drawNode(member: WatchedMember): SVGElement {
    const { name, ownership } = member;
    const state = this.#stateOf(member);
    const { x, y } = this.#placeOf(name)!;
    const owner = this.#owners.has(name) ? " owner" : "";
    const shown = shortName(name);
    const isLong = shown.length > DISC_LETTERS;
    return s(
      "g",
      { class: `node ${state}${owner}` },
      s("circle", {
        class: `disc stroke${this.#colourOf(name)}`,
        cx: String(x),
        cy: String(y),
        r: String(DISC_RADIUS),
      }),
      s("title", {}, name),
      s("text", { class: isLong ? "long" : "", x: String(x), y: String(y + 1) }, shown),
      s(
        "text",
        { class: "share", x: String(x), y: String(y + 17) },
        state === "up" ? percent(ownership) : state,
      ),
    );
  }

  #placeOf(name: string): Place | undefined {
    const i = this.#members.findIndex((member) => member.name === name);
    return i < 0 ? undefined : placeOfNode(i, this.#members.length);
  }
}

function line(from: Place, to: Place, look: string): SVGLineElement {
  return s("line", {
    class: look,
    x1: String(from.x),
    y1: String(from.y),
    x2: String(to.x),
    y2: String(to.y),
  });
}
