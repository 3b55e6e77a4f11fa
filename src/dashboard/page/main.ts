/// <reference lib="dom" />
/** The page: follows the cluster through the node that served it, and lets people play with it. */
import type { ClusterEvent, WatchedMember } from "../../http/cluster_watch.ts";
import { Charts } from "./charts.ts";
import { Control } from "./control.ts";
import { byId, dot, h, setText } from "./dom.ts";
import { Explorer } from "./explorer.ts";
import { amount, bytes, duration } from "./format.ts";
import { browseKeys, HotKeysView, tombstonesOf, TombstonesView } from "./key_lists.ts";
import { follow, type LiveState } from "./live.ts";
import { MembersView } from "./members_view.ts";
import { hintsOf, Rates } from "./rates.ts";
import { RingFigure } from "./ring_view.ts";

const COLOURS = 8;
const NOTICE_MS = 6_000;
const STATES: Record<LiveState, [text: string, look: string]> = {
  live: ["Live", "good"],
  silent: ["Silent", "bad"],
  closed: ["No connection", "bad"],
};

let members: WatchedMember[] = [];
let self = "";
let shownNodes = "";
const colours = new Map<string, number>();

/** Colours are given in the order in which names are first seen, sorted within an event. */
function colourOf(name: string): number {
  let colour = colours.get(name);
  if (colour === undefined) colours.set(name, colour = colours.size % COLOURS);
  return colour;
}

const rates = new Rates();
const membersView = new MembersView(colourOf);
const ring = new RingFigure(
  byId("ring"),
  colourOf,
  (tokens) => membersView.setTokens(tokens),
);
const explorer = new Explorer(ring, colourOf, () => showKeysAgain());
const charts = new Charts();
const hotKeys = new HotKeysView((key) => explorer.open(key));
const tombstones = new TombstonesView(colourOf);

function onEvent(event: ClusterEvent): void {
  ({ members, self } = event);
  for (const { name } of members) colourOf(name);
  const point = rates.next(event);
  ring.update(event);
  membersView.update(event, point);
  charts.add(point);
  hotKeys.update(event);
  tombstones.update(event);
  showNodes();
  const { n, r, w } = event.quorums;
  setText(byId("quorums"), `N ${n} · R ${r} · W ${w}${event.ready ? "" : " · not ready"}`);
  const samples = members.flatMap(({ sample }) => sample === null ? [] : [sample]);
  const rate = (point.readsPerSecond ?? 0) + (point.writesPerSecond ?? 0);
  const p99Ms = charts.recentP99Ms();
  setText(byId("tile-rate"), amount(rate));
  setText(byId("tile-p99"), p99Ms === null ? "–" : duration(p99Ms));
  setText(byId("tile-keys"), amount(samples.reduce((sum, { keys }) => sum + keys, 0)));
  setText(byId("tile-disk"), bytes(samples.reduce((sum, { diskBytes }) => sum + diskBytes, 0)));
  setText(byId("tile-hints"), amount(samples.reduce((sum, sample) => sum + hintsOf(sample), 0)));
  setText(byId("tile-tombstones"), amount(tombstonesOf(event)));
}

function onState(state: LiveState): void {
  const [text, look] = STATES[state];
  setText(byId("live"), text);
  byId("live").className = `pill ${look}`;
  if (state === "live") byId("notice").hidden = true;
  else tell(`${self || "The node"} does not answer this page. Its data is safe with the others:`);
}

/** One problem at the top, with ways out of it. */
function tell(text: string): void {
  const others = members.filter(({ name }) => name !== self).flatMap(({ name, origin }) => [
    " ",
    h("a", { href: origin }, name),
  ]);
  byId("notice").replaceChildren(text, ...others);
  byId("notice").hidden = false;
}

function showNodes(): void {
  const shown = JSON.stringify([
    self,
    members.map(({ name, origin, state }) => [name, origin, state]),
  ]);
  if (shown === shownNodes) return;
  shownNodes = shown;
  document.title = `${self} · Converge`;
  byId("nodes").replaceChildren(...members.map(({ name, origin, state }) =>
    h(
      "a",
      {
        href: name === self ? "/" : `${origin}/`,
        "aria-current": name === self ? "page" : undefined,
      },
      dot(colourOf(name)),
      state === "up" ? name : `${name} (${state})`,
    )
  ));
}

const showKeysAgain = browseKeys((key) => explorer.open(key));
follow(onEvent, onState);
Control.find(
  (status) => {
    membersView.setStatus(status);
    ring.setStatus(status);
  },
  (problem) => {
    const notice = byId("notice");
    notice.textContent = problem;
    notice.hidden = false;
    setTimeout(() => notice.hidden = true, NOTICE_MS);
  },
).then((control) => {
  if (control !== undefined) membersView.setControl(control);
});
