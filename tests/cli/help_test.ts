/** The help of every command: examples that would be understood. */
import { assert, assertEquals } from "@std/assert";
import { buildProgram } from "../../src/cli/program.ts";
import { convergeCalls, whyRefused } from "../docs/command_line.ts";

/** The help of a command with what is added behind it, which `helpInformation()` leaves out. */
function helpOf(name: string | undefined): string {
  const program = buildProgram("file:///main.ts");
  const command = name === undefined
    ? program
    : program.commands.find((candidate) => candidate.name() === name)!;
  let help = "";
  command.configureOutput({ writeOut: (text) => help += text });
  command.outputHelp();
  return help;
}

function examplesOf(help: string): string[] {
  const [, examples = ""] = help.split("\nExamples:\n");
  return examples.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

Deno.test("every command's help has examples, and each of them would be understood", () => {
  const names = buildProgram("file:///main.ts").commands.map((command) => command.name());
  assert(names.length >= 17, names.join(" "));
  for (const name of [undefined, ...names]) {
    const examples = examplesOf(helpOf(name));
    assert(examples.length > 0, `${name} has no examples`);
    for (const example of examples) {
      const calls = convergeCalls(example);
      assert(calls.length > 0, example);
      for (const words of calls) assertEquals(whyRefused(words), undefined, example);
      const own = name === undefined || name === "serve" || calls.some(([first]) => first === name);
      assert(own, `${name}: ${example}`);
    }
  }
});

Deno.test("every command's help tells what its arguments and options may be", () => {
  for (const command of buildProgram("file:///main.ts").commands) {
    const untold = [...command.registeredArguments, ...command.options].filter(
      ({ description }) => !description,
    );
    assertEquals(untold.map((part) => part.name()), [], command.name());
  }
});

Deno.test("every command that prints facts has --json", () => {
  // What the others print is no fact: values, record lines, a script, or logs of their own.
  const without = ["serve", "cluster", "export", "completions"];
  for (const command of buildProgram("file:///main.ts").commands) {
    const has = command.options.some(({ long }) => long === "--json");
    assertEquals(has, !without.includes(command.name()), command.name());
  }
});

Deno.test("whyRefused() refuses what the program does not know", () => {
  assertEquals(whyRefused(["get", "k", "--url", "http://127.0.0.1:1"]), undefined);
  assertEquals(whyRefused(["--port", "8081"]), undefined);
  for (
    const line of [
      "get",
      "get k --bogus",
      "get a b",
      "bench --duration soon",
      "--bogus 1",
      "sit --help",
    ]
  ) {
    assert(whyRefused(line.split(" ")) !== undefined, line);
  }
});

Deno.test("convergeCalls() finds every call of a shell line", () => {
  assertEquals(
    convergeCalls("X=1 converge export > f 2>&1 | converge import - --url 'a b' && echo done"),
    [["export"], ["import", "-", "--url", "a b"]],
  );
  assertEquals(convergeCalls("echo converge"), []);
});
