/// <reference lib="dom" />
/** The stream of events, opened again whenever it ends. */
import type { ClusterEvent } from "../../http/cluster_watch.ts";

/** How the stream is. */
export type LiveState = "live" | "silent" | "closed";

/** Events come every second; after so long without one the node is silent. */
const SILENT_MS = 4_000;
const RETRY_MS = 1_000;

/** Follows the cluster for as long as the page is open. */
export function follow(
  onEvent: (event: ClusterEvent) => void,
  onState: (state: LiveState) => void,
): void {
  let lastMs = performance.now();
  let state: LiveState | undefined;
  const enter = (next: LiveState) => {
    if (state !== next) onState(state = next);
  };
  const open = () => {
    const source = new EventSource("/events");
    source.onmessage = ({ data }) => {
      lastMs = performance.now();
      enter("live");
      onEvent(JSON.parse(data));
    };
    source.onerror = () => {
      enter("closed");
      source.close();
      setTimeout(open, RETRY_MS);
    };
  };
  open();
  setInterval(() => {
    if (state === "live" && performance.now() - lastMs > SILENT_MS) enter("silent");
  }, 1_000);
}
