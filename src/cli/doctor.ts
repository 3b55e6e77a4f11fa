/** `converge doctor --data DIR [--salvage] [--json]`: checks a data directory offline. */
import { CommandError } from "./output/command_error.ts";
import { counted } from "./output/counted.ts";
import type { Disk } from "../platform/disk.ts";
import { checkDirectory } from "../storage/directory_check.ts";
import type { Finding } from "../storage/finding.ts";
import { salvageDirectory, type SalvageReport } from "../storage/directory_salvage.ts";
import { LOCK_NAME, MANIFEST_NAME, parseName } from "../storage/file_names.ts";

/** What to check and how to tell. */
export interface DoctorOptions {
  disk: Disk;
  directory: string;
  /** Move what is damaged aside and keep the rest. */
  salvage?: boolean;
  /** Print one JSON document instead of lines. */
  json?: boolean;
  print: (line: string) => void;
}

/**
 * Checks every checksum and invariant.
 *
 * @returns The exit code: 0 nothing damaged (any more), 1 damage was found and is still there.
 * @throws {CommandError} When there is nothing to check.
 * @throws {ConvergeError} `data_locked` while a node has the directory; `wrong_data` for a format from
 * the future; `disk_full`; `disk_failed`.
 */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  const { disk, directory, salvage = false, json = false, print } = options;
  refuseOther(disk, directory);
  const lock = disk.lock(`${directory}/${LOCK_NAME}`);
  try {
    const report = checkDirectory(disk, directory);
    const isDamaged = report.findings.some(({ severity }) => severity === "damage");
    const salvaged = isDamaged && salvage ? await salvageDirectory(disk, report) : undefined;
    const { tables, segments, records, findings } = report;
    if (json) {
      print(JSON.stringify({ directory, tables, segments, records, findings, salvaged }));
    } else {
      const parts = [
        counted(tables, "table"),
        counted(segments, "log segment"),
        counted(records, "line"),
      ];
      print(`${directory}: ${parts.join(", ")}`);
      for (const finding of findings) print(findingLine(finding));
      for (const line of advice(directory, isDamaged, salvaged)) print(line);
    }
    return isDamaged && salvaged === undefined ? 1 : 0;
  } finally {
    lock.release();
  }
}

/** A directory that is no node's has no damage either, and nothing that a salvage could keep. */
function refuseOther(disk: Disk, directory: string): void {
  const names = disk.list(directory);
  if (names.some((name) => name === MANIFEST_NAME || parseName(name) !== undefined)) return;
  const nodes = names.map((name) => `${directory}/${name}`)
    .filter((path) => disk.fileSize(path) === undefined) // below a file nothing can be looked at
    .filter((path) => disk.fileSize(`${path}/${MANIFEST_NAME}`) !== undefined);
  const why = names.length === 0 ? "there is nothing in it" : "it is no node's directory";
  const which = nodes.length === 0 ? "" : `, like ${nodes.join(" or ")}`;
  throw new CommandError(
    `Cannot check ${directory}: ${why}; name the directory of a node with --data${which}`,
  );
}

function findingLine({ severity, file, offset, problem }: Finding): string {
  const at = offset === undefined ? "" : ` at offset ${offset}`;
  return `${severity}: ${file}${at}: ${problem}`;
}

function advice(
  directory: string,
  isDamaged: boolean,
  salvaged: SalvageReport | undefined,
): string[] {
  if (!isDamaged) return ["Nothing is damaged."];
  if (salvaged === undefined) {
    return [
      "Keep a copy of the directory, then keep what holds: " +
      `converge doctor --data ${directory} --salvage`,
    ];
  }
  const { kept, movedAside, lost, refused } = salvaged;
  return [
    `Kept ${counted(kept, "record")}. Moved ${counted(movedAside.length, "file")} to ` +
    `${directory}/damaged.`,
    ...lost.map(({ keyspace, file }) => `A part of ${keyspace} was lost with ${file}.`),
    ...refused.map(({ file, lines }) =>
      `Left ${counted(lines, "line")} of ${file} out: no record can be read there.`
    ),
    "What other owners have of it comes back once the node runs.",
  ];
}
