/** The command line as a process: what it prints, where, and with which exit code. */
import { assert, assertEquals } from "@std/assert";
import { buildProgram } from "../../src/cli/program.ts";
import { VERSION } from "../../src/cli/output/version.ts";
import { convergeCommand, freePorts, runConverge, until } from "../cluster/harness.ts";

Deno.test("converge --version is the version of deno.json", async () => {
  const config = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  assertEquals(/"version": "(.*)"/.exec(config)?.[1], VERSION);
  assertEquals(await runConverge(["--version"]), { code: 0, stdout: VERSION + "\n", stderr: "" });
});

Deno.test("converge --help shows every command and examples", async () => {
  const { code, stdout, stderr } = await runConverge(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  for (const command of buildProgram("file:///main.ts").commands) {
    assert(new RegExp(`^  ${command.name()} `, "m").test(stdout), command.name());
  }
  assert(stdout.includes("Examples:"), stdout);
});

Deno.test("converge help: of all, of a command, of one that there is not", async () => {
  for (const command of [[], ["get"], ["serve"]]) {
    const asked = await runConverge(["help", ...command]);
    assertEquals(asked, await runConverge([...command, "--help"]));
    assertEquals(asked.code, 0);
  }
  const { code, stderr } = await runConverge(["help", "dance"]);
  assertEquals([code, stderr.includes("dance")], [2, true], stderr);
});

Deno.test("converge: a command line that cannot be understood is one line and exit 2", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cases: [string[], string][] = [
    [["--bogus"], "--bogus"],
    [["serve", "--port"], "--port"],
    [["--port", "x"], '--port "x"'],
    [["--port", "8081", "extra"], "extra"],
    [["--write-quorum", "1", "--port", `${taken.addr.port}`], "--write-quorum"],
    [["--port", `${taken.addr.port}`], "the port is in use"],
    [["--id", "../up", "--port", "0"], "--id"],
    [["frobnicate"], "frobnicate"],
    [["cluster", "--nodes", "0"], "--nodes"],
    [["cluster", "--port", "5999"], "6000"],
    [["cluster", "--id", "x"], "--id"],
    [["cluster", "--data", ""], '--data ""'],
    [["import"], "file"],
    [["import", "x", "--format", "xml"], "xml"],
    [["health", "--url", "nonsense"], "--url"],
    [["completions", "tcsh"], "tcsh"],
    [["bench", "--duration", "soon"], "soon"],
    [["sim", "--defect", "none"], "write-to-one"],
    [["sim", "--plan", "./data/absent.json"], "./data/absent.json"],
    [["sim", "--nodes", "2"], "3 to 15"],
    [["sim", "--seeds", "2", "--trace", "./data/trace.jsonl"], "--trace"],
    [["sim", "--seeds", "2", "--plan", "./data/plan.json"], "--plan"],
    [["sim", "--seed", "4294967295", "--seeds", "2"], "4294967295"],
    [["doctor"], "--data"],
  ];
  for (const [args, named] of cases) {
    const { code, stdout, stderr } = await runConverge(args);
    assertEquals([code, stdout], [2, ""], `${args}: ${stderr}`);
    assert(stderr.startsWith("converge: ") && stderr.includes(named), `${args}: ${stderr}`);
    assertEquals(stderr.trimEnd().split("\n").length, 1, `${args}: ${stderr}`);
  }
});

Deno.test("converge: what a command does not know is told with that command's help", async () => {
  for (const command of ["list", "export", "cluster"]) {
    const { stderr } = await runConverge([command, "--bogus"]);
    assert(stderr.includes(`see converge ${command} --help`), stderr);
  }
  assert((await runConverge(["--bogus"])).stderr.includes("see converge serve --help"));
});

Deno.test("converge doctor: a directory without data is no healthy one", async () => {
  const { code, stdout, stderr } = await runConverge(["doctor", "--data", "./data/absent"]);
  assertEquals([code, stdout], [1, ""]);
  assert(stderr.includes("./data/absent") && stderr.includes("--data"), stderr);
});

Deno.test("converge: a bad variable is named like a bad option", async () => {
  for (
    const [command, name, text] of [
      ["serve", "CONVERGE_MAX_VALUE", "much"],
      ["cluster", "CONVERGE_NODES", "0"],
      ["status", "CONVERGE_URL", "nonsense"],
      ["status", "CONVERGE_PORT", "many"],
    ] as const
  ) {
    const { code, stderr } = await runConverge([command], { env: { [name]: text } });
    assertEquals(code, 2, stderr);
    assert(stderr.includes(`${name} "${text}"`), stderr);
  }
});

Deno.test("converge: asks the node of --url, else of CONVERGE_URL, else of CONVERGE_PORT", async () => {
  await using node = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json({ status: "ok" }),
  );
  const { port } = node.addr;
  const url = `http://127.0.0.1:${port}`;
  const env = (CONVERGE_URL: string, CONVERGE_PORT: string) => ({ CONVERGE_URL, CONVERGE_PORT });
  const cases: [string[], Record<string, string>][] = [
    [["--url", url], env("nonsense", "nonsense")],
    [["--url", `${url}, http://127.0.0.1:9`], env("", "")],
    [[], env(`${url},http://127.0.0.1:9`, "")],
    [[], env(url, "nonsense")],
    [[], env("", `${port}`)],
  ];
  for (const [args, variables] of cases) {
    const { code, stdout } = await runConverge(["health", ...args], { env: variables });
    assertEquals([code, stdout], [0, `${url} is well\n`]);
  }
});

Deno.test("converge health: exit 0 for a node that answers, with --ready only for one that serves", async () => {
  await using node = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) =>
      url.endsWith("/healthz")
        ? Response.json({ status: "ok" })
        : Response.json({ ready: false, status: "joining" }, { status: 503 }),
  );
  const url = `http://127.0.0.1:${node.addr.port}`;
  const health = (...args: string[]) => runConverge(["health", "--url", url, ...args]);
  assertEquals((await health()).code, 0);
  const { code, stdout, stderr } = await health("--ready", "--json");
  assertEquals([code, JSON.parse(stdout)], [1, { url, ready: false }]);
  assert(stderr.includes(`${url} is not ready`), stderr);
});

Deno.test("converge: where no node listens, errors name the next step", async () => {
  const [port] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  for (
    const args of [["get", "k"], ["put", "k", "v"], ["health"], ["export"], ["top"], ["bench"]]
  ) {
    const { code, stdout, stderr } = await runConverge(args, { env: { CONVERGE_URL: url } });
    assertEquals([code, stdout], [1, ""], stderr);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assert(stderr.includes(url) && stderr.includes("converge cluster"), stderr);
  }
});

Deno.test("converge: what is not below ./data is refused in one line that says so", async () => {
  const commands = [
    ["inspect", "/outside.sst"],
    ["doctor", "--data", "/outside"],
    ["serve", "--port", "0", "--data", "/outside"],
  ];
  for (const args of commands) {
    const { code, stdout, stderr } = await runConverge(args);
    assertEquals([code, stdout], [1, ""], stderr);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assert(stderr.includes("below ./data") && !stderr.includes("--allow"), stderr);
  }
});

Deno.test("converge: a failure that nobody listens to is one by its exit code", async () => {
  const [port] = freePorts(1);
  const [command, args] = convergeCommand(["get", "k", "--url", `http://127.0.0.1:${port}`]);
  const process = new Deno.Command(command, { args, stdout: "null", stderr: "piped" }).spawn();
  await process.stderr.cancel(); // long before there is anything to write
  assertEquals((await process.status).code, 1);
});

Deno.test("converge: a reader of standard output that has enough is no failure", async () => {
  const [command, args] = convergeCommand(["--help"]);
  const process = new Deno.Command(command, { args, stdout: "piped", stderr: "piped" }).spawn();
  await process.stdout.cancel(); // long before there is anything to write
  assertEquals([await new Response(process.stderr).text(), (await process.status).code], ["", 0]);
});

Deno.test({
  name: "converge: standard output that is full is told in one line",
  ignore: Deno.build.os !== "linux", // the only one with a /dev/full
  async fn() {
    await using node = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const isPage = new URL(request.url).pathname === "/kv";
      const value = new Response("value", { headers: { etag: '"1-node1.a"' } });
      return isPage ? Response.json({ keys: [{ k: "k", v: "value", c: 1, n: "node1.a" }] }) : value;
    });
    const url = `http://127.0.0.1:${node.addr.port}`;
    for (const args of [["get", "k"], ["list"], ["export"], ["put", "k", "v"], ["--help"]]) {
      const at = args[0] === "--help" ? [] : ["--url", url];
      const [command, words] = convergeCommand([...args, ...at]);
      const { code, stderr } = await new Deno.Command("sh", {
        args: ["-c", 'exec "$0" "$@" > /dev/full', command, ...words],
        env: { NO_COLOR: "1" },
      }).output();
      const told = new TextDecoder().decode(stderr);
      assertEquals(code, 1, `${args}: ${told}`);
      assert(/^converge: Cannot write to standard output: No space.*\n$/.test(told), told);
    }
  },
});

Deno.test({
  name: "converge serve: a node serves, and ends well, where its standard output is full",
  ignore: Deno.build.os !== "linux", // the only one with a /dev/full
  async fn() {
    const cwd = await Deno.makeTempDir();
    const [port] = freePorts(1);
    const [command, words] = convergeCommand(["--port", `${port}`]);
    const process = new Deno.Command("sh", {
      args: ["-c", 'exec "$0" "$@" > /dev/full', command, ...words],
      cwd,
      stderr: "null",
    }).spawn();
    try {
      await until("it serves", async () => {
        const stored = await fetch(`http://127.0.0.1:${port}/kv/k`, { method: "PUT", body: "v" });
        await stored.body?.cancel();
        return stored.status === 204;
      });
      process.kill("SIGTERM");
      assertEquals((await process.status).code, 0);
    } finally {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended, as it should.
      }
      await process.status;
      await Deno.remove(cwd, { recursive: true });
    }
  },
});

Deno.test("converge sim --plan: what is no plan is told in one line", async () => {
  const cwd = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${cwd}/data`);
    for (const text of ["{}", "[]", "null", "no JSON"]) {
      await Deno.writeTextFile(`${cwd}/data/plan.json`, text);
      const { code, stdout, stderr } = await runConverge(
        ["sim", "--plan", "./data/plan.json"],
        { cwd },
      );
      assertEquals([code, stdout], [2, ""], `${text}: ${stderr}`);
      assert(/^converge: Cannot read a plan from .*\n$/.test(stderr), `${text}: ${stderr}`);
    }
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("deno task sim: reads below ./data and writes the history there, as its help says", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const words: string[] = config.tasks.sim.command.split(" ");
  const allowed = (name: string) =>
    words.find((word) => word.startsWith(`--allow-${name}=`))?.split("=")[1]?.split(",") ?? [];
  for (const path of ["./data", "./tests/simulation/plans"]) {
    assert(allowed("read").includes(path), path);
  }
  assertEquals(allowed("write"), ["./data"]);
});

Deno.test({
  name: "converge: a progress bar changes no mode of the terminal, which a signal would leave so",
  ignore: Deno.build.os !== "linux", // where `script` runs a command on a terminal of its own
  async fn() {
    const [command, args] = convergeCommand(["sim", "--seeds", "2"]);
    const words = [command, ...args].map((word) => `'${word}'`).join(" ");
    const shown = await outputOf("script", ["-qec", words, "/dev/null"]);
    if (shown === undefined) return;
    assert(shown.includes("░") && shown.includes("violations"), shown);
    assert(!shown.includes("\x1b[?"), JSON.stringify(shown));
  },
});

/** What a program prints; undefined, with a word about it, where it is not there. */
async function outputOf(program: string, args: string[]): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command(program, { args }).output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`${program} is not installed: what needs it was not run.`);
    return undefined;
  }
}

Deno.test("converge sim --json: one line per seed, the plan with a single one", async () => {
  const one = await runConverge(["sim", "--seed", "3", "--json"]);
  assertEquals([one.code, one.stderr], [0, ""]);
  const verdict = JSON.parse(one.stdout);
  assertEquals([verdict.seed, verdict.violations, verdict.plan.seed], [3, [], 3]);
  const two = await runConverge(["sim", "--seed", "3", "--seeds", "2", "--json"]);
  const lines = two.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ seed }) => seed), [3, 4]);
  assertEquals(lines[0].hash, verdict.hash);
});

/** Whether a shell takes a script without a word; true, with a word about it, where it is not there. */
async function isAccepted(shell: string, script: string): Promise<boolean> {
  try {
    const { code, stderr } = await new Deno.Command(shell, { args: ["-c", script] }).output();
    return code === 0 && stderr.byteLength === 0;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`${shell} is not installed: its script was not run.`);
    return true;
  }
}

Deno.test("converge completions: scripts that their shells accept, with every command", async () => {
  const commands = buildProgram("file:///main.ts").commands.map((command) => command.name());
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await runConverge(["completions", shell]);
    assertEquals(code, 0);
    for (const name of commands) assert(stdout.includes(name), `${shell}: ${name}`);
    assert(await isAccepted(shell, stdout), shell);
  }
  const { stdout: fish } = await runConverge(["completions", "fish"]);
  assert(fish.includes("-d 'write a key\\'s value to standard output'"), "apostrophes stay");
  assert(fish.includes("__fish_use_subcommand' -l port"), "options of serve without its name");
  for (const name of commands) {
    assert(fish.includes(`__fish_seen_subcommand_from ${name}' -l help`), name);
  }
  const { stdout } = await runConverge(["completions", "bash"]);
  // Each command completes to exactly its options; bash itself says so.
  const asks = commands.map((name) =>
    `COMP_WORDS=(converge ${name} --); COMP_CWORD=2; _converge; echo "\${COMPREPLY[@]}"`
  );
  const script = [stdout, ...asks].join("\n");
  const bash = await new Deno.Command("bash", { args: ["-c", script] }).output();
  const lines = new TextDecoder().decode(bash.stdout).trimEnd().split("\n");
  const wanted = buildProgram("file:///main.ts").commands.map((command) =>
    ["--help", ...command.options.map(({ long }) => long)].join(" ")
  );
  assertEquals(lines, wanted);
});
