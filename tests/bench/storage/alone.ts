/** This engine in a process of its own: stalls of the event loop, memory, amplification. */
import { fromFileUrl } from "@std/path";

/** What {@linkcode file://./alone_process.ts} prints. */
export interface Alone {
  keys: number;
  valueBytes: number;
  perSecond: number;
  cpuMicroseconds: number;
  /** What the watch says of turns that only count for 2 ms: the machine's own part. */
  floorStallMs: Alone["stallMs"];
  /** Gaps between turns of the event loop beyond the timer's own millisecond, while loading. */
  stallMs: { p50: number; p99: number; p999: number; max: number };
  /** The same under durable puts, 100 waiting, with gets in between. */
  durableStallMs: { p50: number; p99: number; p999: number; max: number };
  /** After everything, with default settings; and the most that there ever was. */
  residentBytes: number;
  residentMaxBytes: number;
  /** Bytes written to log and tables, per byte of records put. */
  writeAmplification: number;
  /** Bytes on disk after quiet: per byte of the newest records, per byte of keys and values. */
  spaceOfRecords: number;
  spaceOfData: number;
  /** Compaction's share of what was written, per byte of records put. */
  compactedShare: number;
}

/** Runs the process. @param directory Empty. */
export async function measureAlone(
  directory: string,
  { keys, valueBytes }: { keys: number; valueBytes: number },
): Promise<Alone> {
  const script = fromFileUrl(import.meta.resolve("./alone_process.ts"));
  const args = ["run", "--quiet", "--no-prompt", "--allow-all", script];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: [...args, directory, String(keys), String(valueBytes)],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the process that measures this engine alone has failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}
