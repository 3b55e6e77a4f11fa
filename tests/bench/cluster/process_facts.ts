/** What the kernel says of processes (Linux `/proc`): CPU time and resident memory. */

/** Kernel ticks per second as `/proc` counts them (USER_HZ, 100 on every Linux that Deno runs on). */
const TICKS_PER_SECOND = 100;

/** CPU time of a process so far, user and system, in microseconds; 0 when it is gone. */
export function cpuMicroseconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name in parentheses may hold spaces; fields 14 and 15 of the whole are utime and stime.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * (1_000_000 / TICKS_PER_SECOND);
}

/** Resident memory of a process in bytes; 0 when it is gone. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** Sum of a fact over processes. */
export function total(pids: readonly number[], fact: (pid: number) => number): number {
  return pids.reduce((sum, pid) => sum + fact(pid), 0);
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
