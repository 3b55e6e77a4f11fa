/** Opens real nodes inside the simulation, with a defect where one is asked for. */
import { ConvergeNode } from "../node.ts";
import type { NodeParts } from "../node/node_parts.ts";
import { LsmStore } from "../storage/lsm_store.ts";
import type { OpenProcess } from "./world/simulated_node.ts";
import type { Defect } from "./defects/defect.ts";
import { JournalStore } from "./journal_store.ts";

/** Stores that a simulated node can have. */
export type StoreKind = "lsm" | "journal";

/** What the nodes are made of. */
export interface ProcessOptions {
  /** The engine, or the smallest durable store. Default: `lsm`. */
  store?: StoreKind | undefined;
  defect?: Defect | undefined;
}

/** The way to open a node. */
export function openProcess(options: ProcessOptions = {}): OpenProcess {
  const { store = "lsm", defect } = options;
  const openStore: NodeParts["openStore"] = store === "lsm"
    ? (how) => LsmStore.open(how)
    : (how) => JournalStore.open(how);
  return (config, platform, observe) =>
    ConvergeNode.open(config, defect?.platform?.(platform, config.name) ?? platform, {
      ...defect?.parts,
      // The observer is inside of a faulty store: it sees what really becomes durable.
      openStore: async (how) => {
        const observed = observe(await openStore(how));
        return defect?.store?.(observed) ?? observed;
      },
    });
}
