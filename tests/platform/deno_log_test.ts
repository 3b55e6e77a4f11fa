import { assertEquals } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { DenoLog } from "../../src/platform/deno/deno_log.ts";

function capture(options: { readable: boolean; level?: "info" | "warn" | "error" }) {
  const lines: string[] = [];
  const log = new DenoLog({
    node: "node1",
    now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    write: (line) => lines.push(line),
    ...options,
  });
  return { log, lines };
}

Deno.test("DenoLog writes one JSON object per line", () => {
  const { log, lines } = capture({ readable: false });
  log.warn("hint.dropped", { peer: "node2", count: 3, text: "a\nb" });
  assertEquals(lines, [
    `{"time":"2026-01-02T03:04:05.678Z","level":"warn","node":"node1","event":"hint.dropped",` +
    `"peer":"node2","count":3,"text":"a\\nb"}\n`,
  ]);
});

Deno.test("DenoLog shows errors with their code and causes", () => {
  const { log, lines } = capture({ readable: false });
  const cause = new TypeError("fetch failed", { cause: new Error("refused") });
  log.error("peer.lost", { error: new ConvergeError("unreachable", "Cannot call", { cause }) });
  assertEquals(JSON.parse(lines.join("")).error, {
    name: "ConvergeError",
    code: "unreachable",
    message: "Cannot call",
    cause: "fetch failed: refused",
  });
});

Deno.test("DenoLog survives what JSON cannot hold", () => {
  const { log, lines } = capture({ readable: false });
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  log.info("odd", { cycle });
  log.info("odd", { big: 1n });
  assertEquals(lines.length, 2);
});

Deno.test("DenoLog keeps a readable line on one line and drops levels below its own", () => {
  const { log, lines } = capture({ readable: true, level: "warn" });
  log.info("quiet");
  log.warn("member.down", { name: "a\r\nb", after: 10 });
  assertEquals(lines, ["03:04:05.678 node1 WARN member.down name=a b after=10\n"]);
});
