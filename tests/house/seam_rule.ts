/**
 * Who may touch the outside world. Everything but the edges gets time, randomness, files and the
 * network through the platform seam, so that the whole cluster runs inside the simulation.
 *
 * @module
 */
import { type GlobalUse, type ModuleImport, readModule } from "./module.ts";

/** The real world's side of the seam; and the client and the page, which are no part of a node. */
const EDGES = /^(main\.ts|src\/node\.ts|src\/(platform\/deno|cli|tasks|std|client|dashboard)\/.*)$/;

/** The one file of the simulation that waits for the event loop. */
const DRAIN = "src/simulation/virtual/drain.ts";

/** Global names that lead outside. */
const BANNED = new Set([
  ...["Deno", "process", "global", "self", "window", "navigator", "console", "eval", "Function"],
  ...["Date", "performance", "Temporal", "crypto"],
  ...["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval"],
  ...["clearImmediate", "requestAnimationFrame", "MessageChannel", "BroadcastChannel", "Atomics"],
  ...["fetch", "WebSocket", "WebSocketStream", "EventSource", "XMLHttpRequest", "WebTransport"],
  ...["Worker", "SharedWorker", "CompressionStream", "DecompressionStream", "caches"],
  ...["localStorage", "sessionStorage", "indexedDB", "require", "FinalizationRegistry", "WeakRef"],
]);

/** Objects of which only some members lead outside. */
const BANNED_MEMBERS: Record<string, (member: string) => boolean> = {
  Math: (member) => member === "random",
  AbortSignal: (member) => member === "timeout",
  globalThis: (member) => BANNED.has(member) || member in BANNED_MEMBERS,
};

/** Members of banned names that only compute. */
const PURE = new Set(["Date.UTC"]);

/** What may be imported of `node:`: everything here computes, synchronously, and no more. */
const PURE_NODE: Record<string, string[]> = {
  "node:buffer": ["Buffer"],
  "node:crypto": ["createHash", "createHmac", "timingSafeEqual"],
  "node:zlib": ["crc32", "deflateRawSync", "inflateRawSync"],
};

/** Packages that touch the outside world themselves. */
const BANNED_PACKAGES =
  /^(@std\/fs(\/|$)|commander|cli-|puppeteer-core|hono\/(deno|bun|node|timing|logger)$)/;

/** Says, one line each, where a module reaches past the seam. */
export function seamViolations(path: string, text: string): string[] {
  if (EDGES.test(path)) return [];
  const { globals, imports } = readModule(path, text);
  return [
    ...globals.filter(leadsOutside).map(({ name, member, line }) =>
      `${path}:${line}: must not touch ${member === undefined ? name : `${name}.${member}`}`
    ),
    ...imports.filter((imported) => importLeadsOutside(path, imported)).map((imported) =>
      `${path}:${imported.line}: must not import ${imported.specifier ?? "a computed module"}`
    ),
  ];
}

function leadsOutside({ name, member }: GlobalUse): boolean {
  const isBannedMember = BANNED_MEMBERS[name];
  if (isBannedMember) return member === undefined || isBannedMember(member);
  return BANNED.has(name) && !PURE.has(`${name}.${member}`);
}

function importLeadsOutside(path: string, { specifier, names }: ModuleImport): boolean {
  if (specifier === undefined) return true;
  if (path === DRAIN && specifier === "node:timers") return false;
  if (specifier.startsWith("node:")) {
    const pure = PURE_NODE[specifier];
    return !pure || !names || names.some((name) => !pure.includes(name));
  }
  return /^[a-z]+:/.test(specifier) || BANNED_PACKAGES.test(specifier);
}
