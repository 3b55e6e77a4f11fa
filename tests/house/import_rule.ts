/**
 * Who may import whom: `errors, record, platform <- ring, storage, membership <- replication <-
 * http <- node <- cli <- main`, where "A <- B" reads "B may import A". No two files import each other,
 * be it by way of others, nor do two rooms of one area.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { readModule } from "./module.ts";

const BASE = ["errors", "config", "record", "platform"];
const PARTS = [...BASE, "ring", "storage", "membership"];
const NODE = [...PARTS, "metrics", "replication", "http", "dashboard", "platform/deno", "node"];

/** What each area may import besides itself. */
const MAY_IMPORT: Record<string, string[]> = {
  "errors": [],
  "config": ["errors"],
  "record": ["errors"],
  "platform": ["errors"],
  "platform/deno": BASE,
  "ring": BASE,
  "storage": BASE,
  "membership": BASE,
  "metrics": BASE,
  "replication": PARTS,
  "http": [...PARTS, "metrics", "replication", "dashboard"],
  "node": NODE,
  "simulation": [...NODE, "client"],
  "client": [],
  "dashboard": ["client"],
  "cli": [...NODE, "simulation", "client"],
  "main": ["cli"],
  "std": [],
  "tasks": ["simulation", "cli"],
};

/** These import types from anywhere, but nothing that runs. */
const FREE_WITH_TYPES = ["client", "dashboard"];

/** The area of a path such as `src/ring/token.ts`; `undefined` for one that has no place. */
export function areaOf(path: string): string | undefined {
  if (path.startsWith("src/platform/deno/")) return "platform/deno";
  const area = path === "main.ts" ? "main" : path.match(/^src\/([^/]+?)(\.ts|\/.*)$/)?.[1];
  return area !== undefined && Object.hasOwn(MAY_IMPORT, area) ? area : undefined;
}

/** Says, one line each, which imports of a module break the rule. */
export function importViolations(path: string, text: string): string[] {
  const area = areaOf(path);
  if (area === undefined) return [`${path}: has no place in the import rule`];
  const violations: string[] = [];
  for (const { specifier, typeOnly, line } of readModule(path, text).imports) {
    if (specifier === undefined || !/^\.{0,2}\//.test(specifier)) continue;
    const target = areaOf(join(dirname(path), specifier));
    if (target === area) continue;
    if (target !== undefined) {
      if (MAY_IMPORT[area]?.includes(target)) continue;
      if (typeOnly && FREE_WITH_TYPES.includes(area)) continue;
    }
    violations.push(`${path}:${line}: ${area} must not import ${specifier}`);
  }
  return violations;
}

/**
 * Modules that import each other, be it by way of others: one line for each circle, types included.
 *
 * @param texts By path, such as `src/ring/token.ts`.
 */
export function importCircles(texts: ReadonlyMap<string, string>): string[] {
  return circlesOf(new Map([...texts].map(([path, text]) => [path, targetsOf(path, text)])));
}

/**
 * As {@linkcode importCircles}, for the rooms of an area: folders such as `src/replication/peers`, and
 * what lies in `src/replication` itself.
 */
export function roomCircles(texts: ReadonlyMap<string, string>): string[] {
  const imported = new Map<string, string[]>();
  for (const [path, text] of texts) {
    const room = dirname(path);
    const rooms = targetsOf(path, text).map(dirname);
    const others = rooms.filter((other) =>
      other !== room && areaFolder(other) === areaFolder(room)
    );
    imported.set(room, [...imported.get(room) ?? [], ...others]);
  }
  return circlesOf(imported);
}

/** `src/replication` of `src/replication/peers`. */
function areaFolder(room: string): string {
  return room.split("/", 2).join("/");
}

/**
 * Packages that a module needs, be it by way of others and for types alone: each with who imports it.
 * What the runtime itself has (`node:`) is none.
 */
export function packagesBehind(texts: ReadonlyMap<string, string>, entry: string): string[] {
  const packages: string[] = [];
  const reached = new Set([entry]);
  for (const path of reached) { // grows meanwhile
    const text = texts.get(path) ?? "";
    for (const target of targetsOf(path, text)) reached.add(target);
    for (const { specifier } of readModule(path, text).imports) {
      if (specifier === undefined || /^(\.|node:)/.test(specifier)) continue;
      packages.push(`${path}: ${specifier}`);
    }
  }
  return packages;
}

function circlesOf(imported: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) {
      circles.push([...way.slice(way.indexOf(path)), path].join(" -> "));
    }
    if (done.has(path)) return;
    done.add(path);
    for (const target of imported.get(path) ?? []) visit(target, [...way, path]);
  };
  for (const path of imported.keys()) visit(path, []);
  return circles;
}

/** Paths of the modules that one imports from among its own project. */
function targetsOf(path: string, text: string): string[] {
  return readModule(path, text).imports.flatMap(({ specifier }) =>
    specifier?.startsWith(".") ? [join(dirname(path), specifier)] : []
  );
}
