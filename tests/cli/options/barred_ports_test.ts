import { assert } from "@std/assert";
import { BARRED_PORTS, requireOpenPort } from "../../../src/cli/options/barred_ports.ts";

Deno.test("BARRED_PORTS: fetch refuses each of them, and none beside them", async () => {
  for (const port of BARRED_PORTS) {
    assert((await whyNotAsked(port)).includes("blocked"), `${port}`);
    for (const beside of [Math.max(port - 1, 0), port + 1]) {
      const why = BARRED_PORTS.has(beside) ? "" : await whyNotAsked(beside);
      assert(!why.includes("blocked"), `${beside}: ${why}`);
    }
  }
});

Deno.test("requireOpenPort() takes the ports of the documents", () => {
  for (const port of [80, 443, 8080, 8081, 8082, 8083]) requireOpenPort("--port", `${port}`, port);
});

/** What `fetch` says of a port at which nobody listens; or nothing, where somebody does. */
async function whyNotAsked(port: number): Promise<string> {
  // An address of its own: whoever listens on this machine does so elsewhere, but for wildcards.
  try {
    const response = await fetch(`http://127.99.0.1:${port}/`, {
      signal: AbortSignal.timeout(5_000),
    });
    await response.body?.cancel();
    return "";
  } catch (error) {
    return String(error);
  }
}
