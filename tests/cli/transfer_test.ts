/** `converge import` and `export` as processes, against servers that answer as nodes do. */
import { assert, assertEquals } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { problemOf, problemResponse } from "../../src/http/problem.ts";
import { convergeCommand, freePorts, runConverge } from "../cluster/harness.ts";

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

const overloaded = () => problemResponse(new ConvergeError("overloaded", "Cannot do it now"));

/** A line of a batch. */
interface Line {
  k?: string;
  kb?: string;
  b?: string;
}

/** A node that takes batches, and says `refused` of single puts. */
function taking(
  take: (lines: Line[]) => void | Promise<void>,
  refused: (line: Line) => ConvergeError | undefined = () => undefined,
) {
  return async (request: Request) => {
    const lines: Line[] = (await request.text()).trim().split("\n").map((line) => JSON.parse(line));
    await take(lines);
    const answers = lines.map((line) => {
      const error = refused(line);
      return error === undefined ? { status: 204, etag: '"1-node1.a"' } : problemOf(error);
    });
    return new Response(answers.map((answer) => JSON.stringify(answer)).join("\n"));
  };
}

Deno.test("converge import: records of one key are put in turn, however the key is written", async () => {
  const batches: string[] = [];
  let underWay = 0;
  const take = async (lines: Line[]) => {
    assertEquals(++underWay, 1);
    batches.push(lines.map(({ b }) => atob(b!)).join(" "));
    await new Promise((resolve) => setTimeout(resolve, 20));
    underWay -= 1;
  };
  await withNode(taking(take), async (url) => {
    const lines = ['{"k":"a","v":"1"}', '{"kb":"YQ==","v":"2"}', '{"k":"a","v":"3"}'];
    const { code, stderr } = await importLines(url, lines);
    assertEquals([code, batches], [0, ["1", "2", "3"]], stderr);
  });
});

Deno.test("converge import: says which record was refused", async () => {
  const refused = ({ k }: Line) =>
    k === "big" ? new ConvergeError("value_too_large", "Cannot take so much") : undefined;
  await withNode(taking(() => {}, refused), async (url) => {
    const { code, stderr } = await importLines(url, ['{"k":"a","v":"1"}', '{"k":"big","v":"2"}']);
    assertEquals(code, 1);
    assert(/^converge: Cannot import "big": Cannot take so much; .*--max-value.*\n$/.test(stderr));
  });
});

Deno.test("converge import: what fails in the middle says how much is stored", async () => {
  await withNode(taking(() => {}), async (url) => {
    const lines = Array.from({ length: 2_000 }, (_, i) => `{"k":"${i}","v":""}`);
    const { code, stderr } = await importLines(url, [...lines, "{"]);
    const told =
      "line 2001: it is not JSON (2000 records stored so far, and to import them again does no harm)";
    assertEquals([code, stderr], [1, `converge: Cannot import ${told}\n`]);
    const first = await importLines(url, ["{", ...lines]);
    assertEquals(first.stderr, "converge: Cannot import line 1: it is not JSON\n");
  });
});

Deno.test("converge import: what is refused for a moment is put again, alone or with its batch", async () => {
  const puts: string[] = [];
  const refusals = ["c", "d"];
  const node = taking(
    (lines) => void puts.push(...lines.map(({ k }) => k!)),
    ({ k }) =>
      refusals.includes(k!)
        ? new ConvergeError("overloaded", `Not now ${refusals.splice(refusals.indexOf(k!), 1)}`)
        : undefined,
  );
  let whole = 1;
  await withNode((request) => whole-- > 0 ? overloaded() : node(request), async (url) => {
    const lines = ["a", "b", "c", "d"].map((k) => JSON.stringify({ k, v: "1" }));
    const { code, stderr } = await importLines(url, lines);
    assertEquals([code, stderr], [0, `Imported 4 records into ${url}\n`]);
    assertEquals(puts.toSorted(), ["a", "b", "c", "c", "d", "d"]);
  });
});

Deno.test("converge export: a page that is refused for a moment is asked for again", async () => {
  const asked: string[] = [];
  const record = (k: string) => ({ k, v: `value of ${k}`, t: "t", c: 1, n: "node1.a" });
  const answer = ({ url }: Request) => {
    const { searchParams } = new URL(url);
    const after = searchParams.get("after") ?? "";
    asked.push(after);
    if (after === "") return Response.json({ keys: [record("a")], next: "a" });
    return asked.length === 2 ? overloaded() : Response.json({ keys: [record("b"), record("c")] });
  };
  await withNode(answer, async (url) => {
    const { code, stdout, stderr } = await runConverge(["export", "--url", url]);
    assertEquals([code, asked, stderr], [0, ["", "a", "a"], `Exported 3 records from ${url}\n`]);
    const lines = ["a", "b", "c"].map((k) => `{"k":"${k}","v":"value of ${k}","t":"t"}\n`);
    assertEquals(stdout, lines.join(""));
  });
});

Deno.test("converge export, import: go on with the next node where one is away or turns away", async () => {
  const [gone] = freePorts(1);
  const away = `http://127.0.0.1:${gone}`;
  const record = (k: string) => ({ k, v: k, t: "t", c: 1, n: "node1.a" });
  const isFirst = ({ url }: Request) => !new URL(url).searchParams.has("after");
  const leaving = (request: Request) =>
    isFirst(request) ? Response.json({ keys: [record("a")], next: "a" }) : overloaded();
  const staying = (request: Request) => {
    assert(!isFirst(request));
    return Response.json({ keys: [record("b")] });
  };
  await withNode(leaving, (first) =>
    withNode(staying, async (second) => {
      const urls = [away, first, second].join();
      const { code, stdout, stderr } = await runConverge(["export", "--url", urls]);
      assertEquals([code, stderr], [0, `Exported 2 records from ${second}\n`]);
      assertEquals(stdout, ["a", "b"].map((k) => `{"k":"${k}","v":"${k}","t":"t"}\n`).join(""));
    }));
  await withNode(taking(() => {}), async (url) => {
    const { code, stderr } = await importLines(`${away},${url}`, ['{"k":"a","v":"1"}']);
    assertEquals([code, stderr], [0, `Imported 1 record into ${url}\n`]);
  });
});

Deno.test("converge export: what fails for good in the middle is told in one line, behind what there was", async () => {
  const answer = ({ url }: Request) =>
    new URL(url).searchParams.has("after")
      ? problemResponse(new ConvergeError("disk_failed", "Cannot read b"))
      : Response.json({ keys: [{ k: "a", v: "a", c: 1, n: "node1.a" }], next: "a" });
  await withNode(answer, async (url) => {
    const { code, stdout, stderr } = await runConverge(["export", "--url", url]);
    assertEquals([code, stdout], [1, '{"k":"a","v":"a"}\n']);
    assertEquals(stderr, "converge: Cannot read b\n");
  });
});

Deno.test("converge import --json: says how many records it put", async () => {
  await withNode(taking(() => {}), async (url) => {
    const input = new TextEncoder().encode('{"k":"a","v":"1"}\n{"k":"a","v":"2"}\n');
    const { code, stdout, stderr } = await runConverge(["import", "-", "--json", "--url", url], {
      input,
    });
    assertEquals([code, stderr, JSON.parse(stdout)], [0, "", { url, imported: 2, expired: 0 }]);
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
