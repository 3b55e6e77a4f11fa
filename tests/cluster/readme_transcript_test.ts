/** The README's transcript works line by line: on other ports, and otherwise as it stands there. */
import { assert, assertEquals } from "@std/assert";
import { until } from "./harness.ts";
import { ClusterProcess } from "./cluster_process.ts";

interface Step {
  /** `$` = for the shell, `>` = typed where the cluster runs. */
  kind: "$" | ">";
  text: string;
  /** The lines that it prints; `…` stands for anything. */
  prints: string;
}

function stepsOf(readme: string): Step[] {
  const transcript = /```console\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const steps: Step[] = [];
  for (const line of transcript.trimEnd().split("\n")) {
    const [kind, text] = [line[0], line.slice(2)];
    const last = steps.at(-1);
    if (kind === "$" || kind === ">") steps.push({ kind, text, prints: "" });
    else if (last !== undefined) last.prints += last.prints === "" ? line : `\n${line}`;
  }
  return steps;
}

function matcher(prints: string): RegExp {
  const escaped = prints.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`);
}

Deno.test("README: its transcript works line by line", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const steps = stepsOf(readme);
  assert(steps.length > 10);
  await using cluster = await ClusterProcess.start();
  const onOurPorts = (text: string) =>
    text.replaceAll(
      /127\.0\.0\.1:808([123])/g,
      (_, number) => `127.0.0.1:${cluster.port + Number(number) - 1}`,
    );

  for (const { kind, text, prints } of steps) {
    const expected = matcher(prints);
    if (kind === "$") {
      assert(text.startsWith("curl "), text);
      const run = () => shell(onOurPorts(text));
      if (/ -X /.test(text)) {
        assert(expected.test(await run()), text);
        continue;
      }
      // What nodes do by themselves, like catching up, may take its time.
      let printed = "";
      await until(`${text} prints ${prints}`, async () => expected.test(printed = await run()), {
        evidence: () => `${printed}\n${cluster.process.evidence()}`,
      });
      continue;
    }
    const before = cluster.process.stdout.length;
    await cluster.process.type(text);
    await cluster.until(
      `${text} prints ${prints}`,
      () => prints === "" || expected.test(cluster.process.stdout.slice(before).trimEnd()),
    );
  }
  assertEquals((await cluster.process.end()).code, 0);
});

async function shell(line: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", line] }).output();
  return new TextDecoder().decode(stdout).trimEnd();
}
