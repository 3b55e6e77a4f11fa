import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { packSelfExtracting } from "../../src/tasks/self_extracting.ts";

/** Stands for `deno`: says how it was started. */
const RUNTIME = `#!/bin/sh
echo "runtime $$ $*"
`;

interface Packed {
  directory: string;
  binary: string;
  /** Runs the binary with a cache of its own and the environment given. */
  run(args: string[], env?: Record<string, string>): Promise<RunResult>;
}

interface RunResult {
  pid: number;
  code: number;
  stdout: string;
  stderr: string;
}

async function withPacked(test: (packed: Packed) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "converge pack " });
  try {
    const binary = join(directory, "converge");
    await packSelfExtracting({
      runtime: new TextEncoder().encode(RUNTIME),
      bundle: new TextEncoder().encode("console.log('program')"),
      permissions: ["--allow-net", "--allow-env=CONVERGE_*"],
      output: binary,
    });
    const cache = join(directory, "cache");
    await test({ directory, binary, run: (args, env) => run(binary, args, { cache, env }) });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run(
  binary: string,
  args: string[],
  options: { cache: string; env?: Record<string, string> | undefined },
): Promise<RunResult> {
  const child = new Deno.Command(binary, {
    args,
    env: { CONVERGE_UNPACK: options.cache, ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { pid: child.pid, code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function permissionsOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("packSelfExtracting: the binary becomes the runtime, with flags and arguments as given", async () => {
  await withPacked(async ({ run, directory }) => {
    const { pid, code, stdout } = await run(["serve", "--id", "a b", "*"]);
    assertEquals(code, 0);
    assertMatch(stdout, new RegExp(`^runtime ${pid} run `), "exec keeps the process id");
    assertStringIncludes(stdout, " --allow-net --allow-env=CONVERGE_* --allow-read=");
    assert(stdout.endsWith(".js serve --id a b *\n"), stdout);
    const program = stdout.match(/--allow-read=(.*?\.js) /)?.[1] ?? "";
    assert(program.startsWith(directory));
    assertEquals(await Deno.readTextFile(program), "console.log('program')");
  });
});

Deno.test("packSelfExtracting: binaries started together for the first time all run", async () => {
  await withPacked(async ({ run, directory }) => {
    const results = await Promise.all(Array.from({ length: 8 }, (_, i) => run([`${i}`])));
    assertEquals(results.map(({ code }) => code), Array(8).fill(0));
    const left = Array.from(Deno.readDirSync(join(directory, "cache")), ({ name }) => name);
    assertEquals(left.filter((name) => name.startsWith(".unpack")), []);
    assertEquals(left.length, 2);
  });
});

Deno.test("packSelfExtracting: what is unpacked is for its user alone", async () => {
  await withPacked(async ({ run, directory }) => {
    await run([]);
    const cache = join(directory, "cache");
    assertEquals(permissionsOf(cache), 0o700);
    for (const { name } of Deno.readDirSync(cache)) {
      assertEquals(permissionsOf(join(cache, name)), 0o700, name);
    }
  });
});

Deno.test("packSelfExtracting: a cache that is a link is refused, as it may lead to somebody else's files", async () => {
  await withPacked(async ({ run, directory }) => {
    const elsewhere = join(directory, "elsewhere");
    const link = join(directory, "link");
    await Deno.mkdir(elsewhere);
    await Deno.symlink(elsewhere, link);
    const { code, stderr, stdout } = await run([], { CONVERGE_UNPACK: link });
    assertEquals(code, 1);
    assertEquals(stdout, "");
    assertStringIncludes(stderr, "belongs to somebody else");
  });
});

Deno.test("packSelfExtracting: a binary that was cut short says so and leaves nothing behind", async () => {
  await withPacked(async ({ run, binary, directory }) => {
    const { size } = await Deno.stat(binary);
    await Deno.truncate(binary, size - 5);
    const { code, stderr } = await run([]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "cannot unpack");
    assert(await exists(join(directory, "cache")));
    assertEquals(Array.from(Deno.readDirSync(join(directory, "cache"))), []);
  });
});
