import { assertEquals } from "@std/assert";
import { projectFiles, readProjectFile } from "./project_files.ts";
import { seamViolations } from "./seam_rule.ts";

const CORE = "src/replication/a.ts";

Deno.test("seam rule: only the edges touch the outside world", async () => {
  const modules = (await projectFiles()).filter((path) => /^(main\.ts|src\/.*\.tsx?)$/.test(path));
  assertEquals(modules.flatMap((path) => seamViolations(path, readProjectFile(path))), []);
});

Deno.test("seamViolations: each way past the seam is seen", () => {
  const planted = [
    `const now = Date.now();`,
    `;new Date();`,
    `let at: Date;`,
    `const n = Math.random();`,
    `const n = Math["random"]();`,
    `const { random } = Math;`,
    `setTimeout(() => {}, 1);`,
    `export { setInterval };`,
    `const timers = { setTimeout };`,
    `type Timer = ReturnType<typeof setTimeout>;`,
    `await fetch("http://a");`,
    `function f(send = fetch) { return send; }`,
    `Deno.exit(1);`,
    `function f(file: Deno.FsFile) { return file; }`,
    `globalThis.Deno.exit(1);`,
    `globalThis["fetch"]("http://a");`,
    `const { fetch } = globalThis;`,
    `globalThis.Math.random();`,
    `const g: Record<string, unknown> = globalThis;`,
    `crypto.getRandomValues(new Uint8Array(4));`,
    `performance.now();`,
    "const a = `${performance.now()}`;",
    `AbortSignal.timeout(5);`,
    `console.log("a");`,
    `new Worker("a");`,
    `class A extends Worker {}`,
    `function f() { const fetch = 1; return fetch; }\nfetch("a");`,
    `import { readFileSync } from "node:fs";`,
    `import { randomBytes } from "node:crypto";`,
    `import zlib from "node:zlib";`,
    `import { setImmediate } from "node:timers";`,
    `import { exists } from "@std/fs";`,
    `import a from "npm:hono";`,
    `import a from "https://example.com/a.ts";`,
    `await import(name());\nfunction name() { return "a"; }`,
  ];
  for (const text of planted) {
    assertEquals(seamViolations(CORE, text).length, 1, text);
  }
});

Deno.test("seamViolations: names that only look like it are left alone", () => {
  const innocent = [
    `// Date.now() in a comment\nconst a = "Date.now()";`,
    "const a = `Date.now()`;",
    `const a = /Date.now()/;`,
    `app.fetch(new Request("http://a"));\nconst app = { fetch(r: Request) { return r; } };`,
    `function f(performance: number, { crypto: c = 1 }) { return performance + c; }`,
    `import { setTimeout } from "../platform/clock.ts";\nsetTimeout(1);`,
    `interface Clock { setTimeout(ms: number): void; Date: number }`,
    `class A { #fetch() {} fetch = () => this.#fetch(); }`,
    `enum Kind { Date, Deno }`,
    `Math.max(1, 2); Date.UTC(2026, 0, 1); queueMicrotask(() => {});`,
    `globalThis.addEventListener("unhandledrejection", () => {});`,
    `import { crc32 } from "node:zlib"; import { createHash } from "node:crypto";`,
    `Date: for (;;) break Date;`,
  ];
  for (const text of innocent) assertEquals(seamViolations(CORE, text), [], text);
});

Deno.test("seamViolations: the edges may, the rest of the simulation may not", () => {
  const text = `import { setImmediate } from "node:timers";\nsetImmediate(() => {});`;
  assertEquals(seamViolations("src/simulation/virtual/drain.ts", text), []);
  assertEquals(seamViolations("src/simulation/world/cluster.ts", text).length, 1);
  for (const edge of ["main.ts", "src/node.ts", "src/cli/a.ts", "src/platform/deno/a.ts"]) {
    assertEquals(seamViolations(edge, `Deno.exit(Date.now());`), [], edge);
  }
  assertEquals(seamViolations("src/platform/a.ts", `Deno.exit();`).length, 1);
});
