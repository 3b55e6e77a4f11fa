/** `converge get | put | delete | list`: which keys they reach, and what they store. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { InvalidArgumentError } from "commander";
import { ConvergeClient } from "../../src/client/client.ts";
import { timeToLive } from "../../src/cli/options/flags.ts";
import { keyText, runDelete } from "../../src/cli/keys.ts";
import { CommandError } from "../../src/cli/output/command_error.ts";
import { convergeCommand, freePorts, runConverge, TestCluster } from "../cluster/harness.ts";

Deno.test("keyText(): what list prints of bytes, and of text that could be taken for bytes", () => {
  assertEquals(keyText("a b"), "a b");
  assertEquals(keyText(new Uint8Array([255, 0])), "base64:/wA=");
  assertEquals(keyText("base64:/wA="), "base64:YmFzZTY0Oi93QT0=");
  assertEquals(keyText("ein Schlüssel 🔑"), "ein Schlüssel 🔑");
  assertEquals(keyText("a\\nb"), "a\\nb");
  for (const text of ["a\nb", "\x1b[2J", "\u009b2J", "\u2028", "\u202etxt"]) {
    assertEquals(keyText(text), `base64:${new TextEncoder().encode(text).toBase64()}`);
  }
});

Deno.test("converge get, put, delete, ring: take keys, and prefixes, as list prints them", async () => {
  await using cluster = await TestCluster.start(1, { args: ["--replication", "1"] });
  const url = cluster.nodes[0]!.url;
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runConverge([...args, "--url", url]);
    assertEquals([code, stderr], [0, ""], `${args}: ${stderr}`);
    return stdout;
  };
  await cluster.nodes[0]!.put("%FF%00", "bytes");
  await run("put", "base64:YmFzZTY0Oi93QT0=", "text");
  assertEquals(await cluster.nodes[0]!.get("base64:%2FwA="), "text");
  const listed = (await run("list")).trimEnd().split("\n");
  assertEquals(listed, ["base64:YmFzZTY0Oi93QT0=", "base64:/wA="]);
  const entries = await Array.fromAsync(new ConvergeClient(url).entries());
  assertEquals(entries.map(({ bytes }) => new TextDecoder().decode(bytes)), ["text", "bytes"]);
  assertEquals(await run("list", "base64:/w=="), listed[1] + "\n");
  assertEquals(await run("list", "base"), listed[0] + "\n");
  const exported = await runConverge(["export", "--prefix", "base64:/w==", "--url", url]);
  assert(exported.stdout.includes("/wA="), exported.stdout);
  for (const [key, value] of [[listed[0]!, "text"], [listed[1]!, "bytes"]] as const) {
    assertEquals(await run("get", key), value);
    assert((await run("ring", key)).includes("node1"));
    assertEquals(await run("delete", key), "deleted\n");
  }
  assertEquals(await run("list"), "");

  for (const key of ["a/1", "a/2", "b", "base64:/wA="]) await run("put", key, "v");
  assertEquals(await run("delete", "--prefix", "a/"), "deleted 2 keys\n");
  assertEquals(
    await run("delete", "--prefix", "base64:/w==", "--json"),
    '{"prefix":"base64:/w==","deleted":1}\n',
  );
  assertEquals(await run("list"), "b\n");
  const settings = { urls: [url], json: false, explain: false };
  for (const prefix of [undefined, "", "base64:", "b"]) {
    const key = prefix === "b" ? "b" : undefined;
    const error = await assertRejects(() => runDelete({ key, prefix }, settings), CommandError);
    assertEquals(error.exitCode, 2);
  }
  assertEquals(await run("list"), "b\n");
});

Deno.test("converge get: base64 that is none is a command line that cannot be understood", async () => {
  const { code, stderr } = await runConverge(["get", "base64:?"]);
  assertEquals(code, 2, stderr);
  assert(stderr.includes('"base64:?"'), stderr);
  assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
});

Deno.test("converge export, import: times to live go along, and what has expired is left out", async () => {
  await using cluster = await TestCluster.start(1, { args: ["--replication", "1"] });
  const url = ["--url", cluster.nodes[0]!.url];
  const expiryOf = async (key: string) => {
    const { stdout } = await runConverge(["get", key, "--json", ...url]);
    const { expires } = JSON.parse(stdout);
    return expires === undefined ? undefined : Date.parse(expires);
  };
  await runConverge(["put", "passing", "v", "--ttl", "1h", ...url]);
  await runConverge(["put", "staying", "v", ...url]);
  const expiresAtMs = (await expiryOf("passing"))!;
  assert(Math.abs(expiresAtMs - Date.now() - 3_600_000) < 60_000, String(expiresAtMs));

  const { stdout } = await runConverge(["export", ...url]);
  for (const key of ["passing", "staying"]) await runConverge(["delete", key, ...url]);
  const gone = JSON.stringify({ k: "gone", v: "v", x: Date.now() - 1 });
  const input = new TextEncoder().encode(stdout + gone);
  const beganMs = Date.now();
  const imported = await runConverge(["import", "-", "--json", ...url], { input });
  const tookMs = Date.now() - beganMs;
  const { imported: puts, expired } = JSON.parse(imported.stdout);
  assertEquals([puts, expired], [2, 1], imported.stderr);
  assertEquals(await expiryOf("staying"), undefined);
  // Rounded up to seconds, and counted anew from when the node has it.
  const laterMs = (await expiryOf("passing"))! - expiresAtMs;
  assert(laterMs >= 0 && laterMs <= 1_000 + tookMs, `${laterMs} ms later, in ${tookMs} ms`);
  assertEquals((await runConverge(["list", ...url])).stdout, "passing\nstaying\n");
});

Deno.test("converge put --explain: stores the same content type and time to live as without", async () => {
  const types: (string | null)[] = [];
  const times: (string | null)[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    types.push(request.headers.get("content-type"));
    times.push(new URL(request.url).searchParams.get("ttl"));
    return Response.json({}, { headers: { etag: '"1-n1"' } });
  });
  const put = (args: string[], input?: string) =>
    runConverge(["put", "k", ...args, "--url", `http://127.0.0.1:${server.addr.port}`], {
      ...(input === undefined ? {} : { input: new TextEncoder().encode(input) }),
    });
  for (const explain of [[], ["--explain"]]) {
    await put(["v", ...explain]);
    await put(["v", "--type", "image/png", "--ttl", "1500ms", ...explain]);
    await put(explain, "from standard input");
    await put(["-", ...explain], "from standard input");
  }
  assertEquals(types.slice(0, 4), ["text/plain; charset=utf-8", "image/png", null, null]);
  assertEquals(types.slice(4), types.slice(0, 4));
  assertEquals(times, [null, "2", null, null, null, "2", null, null]);
});

Deno.test("converge put: no more is read than a node can take", async () => {
  const [port] = freePorts(1);
  const [command, args] = convergeCommand(["put", "k", "--url", `http://127.0.0.1:${port}`]);
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'head -c 67108865 /dev/zero | "$0" "$@"', command, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(
    [code, new TextDecoder().decode(stderr)],
    [1, "converge: Cannot read standard input: it is over 67108864 bytes\n"],
  );
});

Deno.test("timeToLive(): bare digits, which could be seconds or milliseconds, are refused", () => {
  const read = timeToLive(7_200);
  assertEquals(["1500ms", "60s", "2h"].map(read), [2, 60, 7_200]);
  for (const text of ["60", "1", "0s", "3h", "1.5h", ""]) {
    const error = assertThrows(() => read(text), InvalidArgumentError);
    assertEquals(error.message, "It must be a time with its unit, like 30s, 15m or 24h, up to 2h.");
  }
});

Deno.test("converge list --limit: asks for no more than it prints, and says that there may be more", async () => {
  const asked: string[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    asked.push(new URL(url).search);
    return Response.json({ keys: [{ k: "a" }, { k: "b" }], next: "b" });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  for (const [limit, pages] of [["2", 1], ["3", 2]] as const) {
    const { stdout, stderr } = await runConverge(["list", "--limit", limit, "--url", url]);
    assertEquals([stdout.split("\n").length - 1, asked.splice(0).length], [Number(limit), pages]);
    assertEquals(stderr, "There may be more keys: raise --limit to see them\n");
  }
});
