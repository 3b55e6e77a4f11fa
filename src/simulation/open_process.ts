/** Opens real nodes inside the simulation, with faulty parts where asked for. */
import { ConvergeNode, type NodeParts } from "../node.ts";
import type { OpenProcess } from "./cluster.ts";
import { JournalStore } from "./journal_store.ts";
import { LsmStore } from "../storage/lsm_store.ts";

/** What the nodes are made of. */
export interface ProcessOptions {
  /** The engine, or the smallest durable store. Default: `lsm`. */
  store?: "lsm" | "journal";
  /** Replaced parts: this is how defects are put in. */
  parts?: Partial<NodeParts>;
}

/** The way to open a node. */
export function openProcess(options: ProcessOptions = {}): OpenProcess {
  const { parts = {}, store = "lsm" } = options;
  const openStore: NodeParts["openStore"] = parts.openStore ??
    (store === "lsm" ? (how) => LsmStore.open(how) : (how) => JournalStore.open(how));
  return (config, platform, observe) =>
    ConvergeNode.open(config, platform, {
      ...parts,
      openStore: async (how) => observe(await openStore(how)),
    });
}
