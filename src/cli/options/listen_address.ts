/** Where a server is reached that listens on an address. */

/** Addresses that mean "every address": nobody can connect to them. */
const WILDCARDS = new Set(["0.0.0.0", "::", "[::]"]);

/** Whether a server that listens on `host` listens for other machines, too, on every address. */
export function isWildcard(host: string): boolean {
  return WILDCARDS.has(host);
}

/** Where somebody on this machine reaches a server that listens on `host`: `http://host:port`. */
export function originOf(host: string, port: number): string {
  const reachable = isWildcard(host) ? "127.0.0.1" : host;
  return `http://${
    reachable.includes(":") ? `[${reachable.replace(/[[\]]/g, "")}]` : reachable
  }:${port}`;
}
