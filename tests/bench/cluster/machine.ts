/** Facts of the machine, without which numbers say nothing. */

/** What follows when the cores are not this run's alone. */
const BUSY =
  ": other work took part of the cores, so ratios say little and numbers without a ratio nothing";

/** Programs that the benchmark of the cluster uses, each with what makes it tell its version. */
const TOOLS = [["etcd", "--version"], ["wrk", "-v"]] as const;

/** One line each. */
export async function machineFacts(
  tools: readonly (readonly [command: string, argument: string])[] = TOOLS,
): Promise<string[]> {
  const cpu = /^model name\s*: (.*)$/m.exec(await text("/proc/cpuinfo"))?.[1] ?? "unknown CPU";
  const gib = (Deno.systemMemoryInfo().total / 1024 ** 3).toFixed(1);
  const load = Deno.loadavg().map((value) => value.toFixed(1)).join(", ");
  const note = Deno.loadavg()[0]! > 0.5 ? BUSY : "";
  const versions = await Promise.all(
    tools.map(([command, argument]) => version(command, argument)),
  );
  return [
    `${navigator.hardwareConcurrency} cores (${cpu}), ${gib} GiB, Linux ${Deno.osRelease()}`,
    [`Deno ${Deno.version.deno}, V8 ${Deno.version.v8}`, ...versions].join("; "),
    `Load average when the run began: ${load}${note}`,
  ];
}

async function text(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch(() => "");
}

async function version(command: string, argument: string): Promise<string> {
  try {
    const { stdout, stderr } = await new Deno.Command(command, { args: [argument] }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return said.split("\n")[0]!.split(" Copyright")[0]!.split(" [")[0]!;
  } catch {
    return `no ${command}`;
  }
}
