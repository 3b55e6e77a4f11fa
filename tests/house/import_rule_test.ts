import { assertEquals } from "@std/assert";
import {
  areaOf,
  importCircles,
  importViolations,
  packagesBehind,
  roomCircles,
} from "./import_rule.ts";
import { projectFiles, readProjectFile } from "./project_files.ts";

Deno.test("import rule: every module of the house keeps it", async () => {
  const modules = (await projectFiles()).filter((path) => /^(main\.ts|src\/.*\.tsx?)$/.test(path));
  assertEquals(modules.flatMap((path) => importViolations(path, readProjectFile(path))), []);
});

Deno.test("import rule: no modules of the house import each other", async () => {
  const modules = (await projectFiles()).filter((path) => /^(main\.ts|src\/.*\.ts)$/.test(path));
  const texts = new Map(modules.map((path) => [path, readProjectFile(path)]));
  assertEquals(importCircles(texts), []);
  assertEquals(roomCircles(texts), []);
});

Deno.test("import rule: programs that import the client, and check types, need no package", async () => {
  const modules = (await projectFiles()).filter((path) => /^src\/.*\.ts$/.test(path));
  const texts = new Map(modules.map((path) => [path, readProjectFile(path)]));
  assertEquals(packagesBehind(texts, "src/client/client.ts"), []);
});

Deno.test("packagesBehind: finds those by way of others, and by types alone", () => {
  const texts = new Map([
    ["src/client/a.ts", `import type { B } from "../http/b.ts";`],
    ["src/http/b.ts", `import type { Hono } from "hono"; import { Buffer } from "node:buffer";`],
    ["src/http/c.ts", `import { z } from "zod";`],
  ]);
  assertEquals(packagesBehind(texts, "src/client/a.ts"), ["src/http/b.ts: hono"]);
});

Deno.test("importCircles: finds those by way of others, and by types alone", () => {
  const texts = new Map([
    ["src/a.ts", `import { b } from "./b.ts"; import { d } from "./ring/d.ts";`],
    ["src/b.ts", `import type { C } from "./c.ts";`],
    ["src/c.ts", `import { a } from "./a.ts"; import { d } from "./ring/d.ts";`],
    ["src/ring/d.ts", `import { z } from "zod";`],
  ]);
  assertEquals(importCircles(texts), ["src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts"]);
  texts.set("src/c.ts", "");
  assertEquals(importCircles(texts), []);
});

Deno.test("roomCircles: finds rooms that import each other where no two files do", () => {
  const texts = new Map([
    ["src/replication/peers/a.ts", `import { b } from "../gossip/b.ts";`],
    [
      "src/replication/gossip/b.ts",
      `import { c } from "../c.ts"; import { r } from "../../ring/r.ts";`,
    ],
    ["src/replication/c.ts", `import type { D } from "./peers/d.ts";`],
    ["src/replication/peers/d.ts", `import { e } from "./e.ts";`],
    ["src/ring/r.ts", ``],
  ]);
  assertEquals(roomCircles(texts), [
    "src/replication/peers -> src/replication/gossip -> src/replication -> src/replication/peers",
  ]);
  texts.set("src/replication/c.ts", "");
  assertEquals(roomCircles(texts), []);
});

Deno.test("importViolations: each way to break the rule is seen", () => {
  const planted: [string, string][] = [
    ["src/storage/a.ts", `import { a } from "../ring/token.ts";`],
    ["src/storage/a.ts", `import type { A } from "../membership/member.ts";`],
    ["src/storage/a.ts", `export * from "../replication/replica.ts";`],
    ["src/storage/a.ts", `const a = await import("../http/app.ts");`],
    ["src/storage/a.ts", `let a: import("../http/app.ts").App;`],
    ["src/ring/a.ts", `import "../storage/store.ts";`],
    ["src/membership/a.ts", `import "../storage/store.ts";`],
    ["src/record/a.ts", `import "../platform/clock.ts";`],
    ["src/errors.ts", `import "./record/key.ts";`],
    ["src/replication/a.ts", `import "../http/app.ts";`],
    ["src/http/a.ts", `import "../node.ts";`],
    ["src/http/a.ts", `import "../platform/deno/deno_disk.ts";`],
    ["src/node.ts", `import "./cli/serve.ts";`],
    ["src/node.ts", `import "./simulation/world/world.ts";`],
    ["src/cli/a.ts", `import "../../main.ts";`],
    ["src/cli/a.ts", `import "../cluster/a.ts";`],
    ["src/client/a.ts", `import { invariant } from "../errors.ts";`],
    ["src/client/a.ts", `import { type A } from "../errors.ts";`],
    ["src/dashboard/a.ts", `export { a } from "../ring/token.ts";`],
    ["src/ring/a.ts", `import "../std/path/mod.ts";`],
    ["src/helpers/a.ts", ``],
  ];
  for (const [path, text] of planted) {
    assertEquals(importViolations(path, text).length, 1, `${path}: ${text}`);
  }
});

Deno.test("importViolations: what the rule allows is left alone", () => {
  const allowed: [string, string][] = [
    ["src/replication/a.ts", `import { a } from "../storage/store.ts";`],
    ["src/storage/a.ts", `import { a } from "./wal/b.ts"; import "../platform/disk.ts";`],
    ["src/storage/a.ts", `// import "../ring/token.ts";\nconst a = 'import "../ring/token.ts"';`],
    ["src/client/a.ts", `import type { A } from "../http/app.ts";`],
    ["src/http/a.ts", `import { Hono } from "hono";`],
    ["main.ts", `import { a } from "./src/cli/program.ts";`],
  ];
  for (const [path, text] of allowed) assertEquals(importViolations(path, text), [], text);
});

Deno.test("areaOf: files and directories of src have an area, others none", () => {
  assertEquals(areaOf("src/errors.ts"), "errors");
  assertEquals(areaOf("src/platform/disk.ts"), "platform");
  assertEquals(areaOf("src/platform/deno/deno_disk.ts"), "platform/deno");
  assertEquals(areaOf("src/http/app.ts"), "http");
  assertEquals(areaOf("src/toString/a.ts"), undefined);
  assertEquals(areaOf("tests/a.ts"), undefined);
});
