/** `converge inspect` and `doctor` on what is no file and no directory of a node. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CommandError } from "../../src/cli/output/command_error.ts";
import { runDoctor } from "../../src/cli/doctor.ts";
import { runInspect } from "../../src/cli/inspect.ts";
import { ConvergeError } from "../../src/errors.ts";
import { DenoDisk } from "../../src/platform/deno/deno_disk.ts";

/** A directory of its own with these files. */
async function withFiles(
  files: Record<string, string>,
  use: (directory: string) => void | Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "converge-test-" });
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${directory}/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
      await Deno.writeTextFile(`${directory}/${path}`, text);
    }
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("runInspect: a log without a header is no log", async () => {
  await withFiles({ "x.log": "hi", "y.log": "hi\n", "empty.log": "\0\0" }, (directory) => {
    const disk = new DenoDisk();
    const inspect = (file: string) => {
      const lines: string[] = [];
      const print = (line: string) => void lines.push(line);
      return { code: runInspect({ disk, file: `${directory}/${file}`, print }), lines };
    };
    for (const name of ["x.log", "y.log"]) {
      const error = assertThrows(() => inspect(name), ConvergeError, `${directory}/${name}`);
      assertEquals(error.code, "corrupt_file");
    }
    // A segment that was made and not written yet has none either.
    const { code, lines } = inspect("empty.log");
    assertEquals(code, 0);
    assert(!lines.join("\n").includes("undefined"), lines.join("\n"));
  });
});

Deno.test("runInspect: what is no file of a node, or none at all, is told in words", async () => {
  await withFiles({ "node1/x": "" }, (directory) => {
    const inspect = (file: string) =>
      runInspect({ disk: new DenoDisk(), file: `${directory}/${file}`, print() {} });
    for (const name of ["x.log", "manifest.jsonl"]) {
      const error = assertThrows(() => inspect(name), ConvergeError, "there is no such file");
      assertEquals(error.code, "bad_request");
    }
    for (const name of ["node1", "node1/x", "none"]) {
      assertThrows(() => inspect(name), ConvergeError, "it must be a *.sst, a *.log or");
    }
  });
});

Deno.test("runDoctor: the directory above those of nodes is told as such, and left alone", async () => {
  const files = { "node1/manifest.jsonl": "", "node2/manifest.jsonl": "", "h.jsonl": "" };
  await withFiles(files, async (directory) => {
    const printed: string[] = [];
    const doctor = () =>
      runDoctor({ disk: new DenoDisk(), directory, print: (line) => void printed.push(line) });
    const { message } = await assertRejects(doctor, CommandError, "no node's directory");
    for (const name of ["node1", "node2"]) {
      assert(message.includes(`${directory}/${name}`), message);
    }
    assert(!message.includes("--salvage"), message);
    assertEquals(printed, []);
    assertEquals([...Deno.readDirSync(directory)].length, 3); // not even a lock is made
  });
});

Deno.test("runDoctor: a node's directory whose manifest is gone is damaged", async () => {
  await withFiles({ "000003.sst": "" }, async (directory) => {
    const printed: string[] = [];
    const disk = new DenoDisk();
    const print = (line: string) => void printed.push(line);
    assertEquals(await runDoctor({ disk, directory, print }), 1);
    assert(printed.join("\n").includes("--salvage"), printed.join("\n"));
  });
});
