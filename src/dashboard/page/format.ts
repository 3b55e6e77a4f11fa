/** Numbers as people read them. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SHORT_NAME_MAX = 11;

/** `1.2 MB`. */
export function bytes(count: number): string {
  if (count < 1_000) return `${Math.round(count)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = count / 1_000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `12,345`; one digit behind the point below ten, if it says something. */
export function amount(value: number): string {
  if (value > 0 && value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(value).toLocaleString("en");
}

/** `0.42 ms`, `12 ms`, `1.5 s`, `20 min`, `3.1 h`. */
export function duration(ms: number): string {
  if (ms === 0) return "0 ms";
  if (ms >= 2 * HOUR_MS) return `${(ms / HOUR_MS).toFixed(1)} h`;
  if (ms >= 2 * MINUTE_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(ms < 1 ? 2 : 1) : Math.round(ms)} ms`;
}

/** `32 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A node's name where there is room for a few letters: a host's without its domain, or its ends. */
export function shortName(name: string): string {
  if (name.length <= SHORT_NAME_MAX) return name;
  const [host = name] = name.split(".");
  return host.length <= SHORT_NAME_MAX ? host : `${host.slice(0, 5)}…${host.slice(-5)}`;
}

/** `1 key`, `2 keys`. */
export function plural(count: number, noun: string): string {
  return `${amount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
