/** What `converge bench` leaves in a cluster: nothing, or only what is its own. */
import { assert, assertEquals } from "@std/assert";
import { ConvergeProcess, runConverge, until } from "../cluster/harness.ts";

/** What a bench asked of a node that keeps nothing. */
interface Asked {
  url: string;
  puts: Set<string>;
  deletes: Set<string>;
}

/** What a node tells of its cluster, as far as a bench asks. */
const VIEW = { self: "n1", members: [], quorums: {}, storage: {} };

/** Listens as a node that takes every put, and refuses every delete where `keeps`. */
async function withNode(keeps: boolean, use: (asked: Asked) => Promise<void>): Promise<void> {
  const asked: Asked = { url: "", puts: new Set(), deletes: new Set() };
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const key = decodeURIComponent(new URL(request.url).pathname.slice("/kv/".length));
    if (request.method === "PUT") asked.puts.add(key);
    if (request.method === "DELETE") {
      asked.deletes.add(key);
      if (keeps) return new Response("no", { status: 503 });
    }
    return Response.json(VIEW, { headers: { etag: '"1-n1"' } });
  });
  asked.url = `http://127.0.0.1:${server.addr.port}`;
  await use(asked);
}

const FEW = ["--requests", "20", "--keys", "10", "--concurrency", "2", "--value-size", "1"];

Deno.test("converge bench: writes below a part of its own, whatever --prefix", async () => {
  for (const prefix of ["user/", ""]) {
    await withNode(true, async ({ url, puts, deletes }) => {
      const { stderr } = await runConverge(["bench", "--url", url, "--prefix", prefix, ...FEW]);
      const own = [...puts][0]?.slice(0, -"00000000".length) ?? "";
      assert(own.startsWith(prefix) && /bench-[0-9a-f]{8,}\/$/.test(own), own);
      assert([...puts].every((key) => key.startsWith(own)), [...puts].join(" "));
      assertEquals(deletes, puts);
      // What it advises removes these, and nobody else's.
      assert(stderr.includes(`${url}/kv?prefix=${encodeURIComponent(own)}'`), stderr);
    });
  }
});

Deno.test("converge bench: removes its keys when it is interrupted, and says so", async () => {
  await withNode(false, async ({ url, puts, deletes }) => {
    const args = ["bench", "--url", url, "--duration", "1m", "--concurrency", "2"];
    const process = new ConvergeProcess(args, { cwd: Deno.cwd() });
    try {
      await until("it puts", () => puts.size > 20, { evidence: () => process.evidence() });
      process.signal("SIGINT");
      const { code, stdout, stderr } = await process.end();
      assertEquals([code, stdout], [1, ""], stderr);
      assert(stderr.includes("SIGINT") && stderr.includes("bench-"), stderr);
      assertEquals(deletes, puts);
    } finally {
      await process.dispose();
    }
  });
});

Deno.test("converge bench --keep: says which keys it leaves", async () => {
  await withNode(false, async ({ url, puts, deletes }) => {
    const { code, stdout } = await runConverge(["bench", "--url", url, "--keep", ...FEW]);
    assertEquals([code, deletes.size], [0, 0]);
    const own = [...puts][0]?.slice(0, -"00000000".length) ?? "";
    assert(own !== "" && stdout.includes(JSON.stringify(own)), stdout);
  });
});

Deno.test("converge bench: where not one get succeeded it did not work", async () => {
  const answer = ({ method, url }: Request): Response =>
    method === "GET" && url.includes("/kv/")
      ? new Response("no", { status: 503 })
      : Response.json(VIEW, { headers: { etag: '"1-n1"' } });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  const url = `http://127.0.0.1:${server.addr.port}`;
  const { code, stdout, stderr } = await runConverge(["bench", "--url", url, ...FEW]);
  assertEquals(code, 1, stdout);
  assert(stderr.includes("not one get succeeded"), stderr);
});
