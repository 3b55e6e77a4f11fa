/** `converge import` and `export` as processes, against servers that answer as nodes do. */
import { assert, assertEquals } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { notFound, problemResponse } from "../../src/http/problem.ts";
import { convergeCommand, runConverge } from "../cluster/harness.ts";

async function withNode(
  handler: (request: Request) => Response | Promise<Response>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  await use(`http://127.0.0.1:${server.addr.port}`);
}

function importLines(url: string, lines: string[]) {
  const input = new TextEncoder().encode(lines.join("\n"));
  return runConverge(["import", "-", "--url", url], { input });
}

const stored = () => new Response(null, { status: 204, headers: { etag: '"1-node1.a"' } });
const overloaded = () => problemResponse(new ConvergeError("overloaded", "Cannot do it now"));

Deno.test("converge import: records of one key are put in turn, however the key is written", async () => {
  let underWay = 0;
  let most = 0;
  const put = async () => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setTimeout(resolve, 50));
    underWay -= 1;
    return stored();
  };
  await withNode(put, async (url) => {
    const lines = ['{"k":"a","v":"1"}', '{"kb":"YQ==","v":"2"}', '{"k":"a","v":"3"}'];
    const { code, stderr } = await importLines(url, lines);
    assertEquals([code, most], [0, 1], stderr);
  });
});

Deno.test("converge import: says which record was refused", async () => {
  const put = ({ url }: Request) =>
    url.endsWith("/kv/big")
      ? problemResponse(new ConvergeError("value_too_large", "Cannot take so much"))
      : stored();
  await withNode(put, async (url) => {
    const { code, stderr } = await importLines(url, ['{"k":"a","v":"1"}', '{"k":"big","v":"2"}']);
    assertEquals(code, 1);
    assert(/^converge: Cannot import "big": Cannot take so much; .*--max-value.*\n$/.test(stderr));
  });
});

Deno.test("converge export: a page that is refused for a moment is asked for again", async () => {
  const asked: string[] = [];
  const answer = ({ url }: Request) => {
    const { pathname, searchParams } = new URL(url);
    if (pathname !== "/kv") {
      return new Response(pathname, { headers: { etag: '"1-node1.a"', "content-type": "t" } });
    }
    const after = searchParams.get("after") ?? "";
    asked.push(after);
    if (after === "") return Response.json({ keys: [{ k: "a" }], next: "a" });
    return asked.length === 2 ? overloaded() : Response.json({ keys: [{ k: "b" }] });
  };
  await withNode(answer, async (url) => {
    const { code, stdout, stderr } = await runConverge(["export", "--url", url]);
    assertEquals([code, asked], [0, ["", "a", "a"]], stderr);
    assertEquals(stdout, '{"k":"a","v":"/kv/a","t":"t"}\n{"k":"b","v":"/kv/b","t":"t"}\n');
  });
});

/** A node of these keys, whose values `get` gives. */
function listing(keys: string[], get: (key: string) => Response | Promise<Response>) {
  return ({ url }: Request) => {
    const { pathname } = new URL(url);
    return pathname === "/kv"
      ? Response.json({ keys: keys.map((k) => ({ k })) })
      : get(pathname.slice("/kv/".length));
  };
}

function value(text: string): Response {
  return new Response(new TextEncoder().encode(text), { headers: { etag: '"1-node1.a"' } });
}

Deno.test("converge import --json: says how many records it put", async () => {
  await withNode(stored, async (url) => {
    const input = new TextEncoder().encode('{"k":"a","v":"1"}\n{"k":"a","v":"2"}\n');
    const { code, stdout, stderr } = await runConverge(["import", "-", "--json", "--url", url], {
      input,
    });
    assertEquals([code, stderr, JSON.parse(stdout)], [0, "", { url, imported: 2, expired: 0 }]);
  });
});

Deno.test("converge export: keys in order, without those deleted meanwhile, what is refused asked again", async () => {
  let refusals = 1;
  const get = (key: string) => {
    if (key === "b") return notFound("a value under this key");
    return key === "c" && refusals-- > 0 ? overloaded() : value(key);
  };
  await withNode(listing(["a", "b", "c", "d"], get), async (url) => {
    const { code, stdout, stderr } = await runConverge(["export", "--url", url]);
    assertEquals([code, stderr], [0, `Exported 3 records from ${url}\n`]);
    assertEquals(stdout, ["a", "c", "d"].map((k) => `{"k":"${k}","v":"${k}"}\n`).join(""));
  });
});

Deno.test("converge export: no more gets under way than it was told", async () => {
  let underWay = 0;
  let most = 0;
  const get = async (key: string) => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setTimeout(resolve, 10));
    underWay -= 1;
    return value(key);
  };
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
  await withNode(listing(keys, get), async (url) => {
    const { code } = await runConverge(["export", "--concurrency", "3", "--url", url]);
    assertEquals([code, most <= 3], [0, true], `${most}`);
  });
});

Deno.test("converge export: a get that fails before its turn is told in one line", async () => {
  const failed = Promise.withResolvers<void>();
  const get = async (key: string) => {
    if (key === "b") {
      setTimeout(failed.resolve, 100); // it has arrived by then
      return problemResponse(new ConvergeError("disk_failed", "Cannot read b"));
    }
    await failed.promise;
    return value(key);
  };
  await withNode(listing(["a", "b"], get), async (url) => {
    const { code, stdout, stderr } = await runConverge(["export", "--url", url]);
    assertEquals([code, stdout], [1, '{"k":"a","v":"a"}\n']);
    assertEquals(stderr, "converge: Cannot read b\n");
  });
});

Deno.test("converge: input that cannot be read is told in one line", async () => {
  for (const args of [["import", "-"], ["import", "-", "--format", "json"], ["put", "k"]]) {
    const [command, words] = convergeCommand(args);
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", 'exec "$0" "$@" < .', command, ...words], // a directory
      env: { NO_COLOR: "1" },
    }).output();
    const told = new TextDecoder().decode(stderr);
    assertEquals([code, stdout.byteLength], [1, 0], told);
    assert(/^converge: Cannot read [^\n]*\n$/.test(told), told);
  }
});
