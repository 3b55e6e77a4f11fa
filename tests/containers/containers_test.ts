/**
 * The container files, held against the real option table: there is no engine on the build
 * machines, so what can be checked without one is checked here.
 */
import { assert, assertEquals } from "@std/assert";
import { parse } from "yaml";
import { buildProgram } from "../../src/cli/program.ts";
import {
  environmentName,
  NODE_OPTIONS,
  readNodeSettings,
} from "../../src/cli/options/node_options.ts";
import { nodeConfig } from "../../src/cli/options/node_config.ts";

const read = (name: string) => Deno.readTextFile(new URL(`../../${name}`, import.meta.url));

interface Service {
  build: string;
  restart: string;
  hostname: string;
  environment: Record<string, string>;
  ports: string[];
  volumes: string[];
  healthcheck: { test: string[] };
  command?: string[];
}

/** Instructions of a Dockerfile with their continued lines joined. */
async function dockerfile(): Promise<{ name: string; rest: string }[]> {
  const text = (await read("Dockerfile")).replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n\s*/g, " ");
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const space = line.indexOf(" ");
    return { name: line.slice(0, space), rest: line.slice(space + 1).trim() };
  });
}

const variables = new Set(NODE_OPTIONS.map(({ name }) => environmentName(name)));

/** Fails unless `words` are a command line that this program understands. */
function assertUnderstood(words: string[]): void {
  const program = buildProgram("file:///main.ts");
  const [name = "serve", ...rest] = words;
  const command = program.commands.find((candidate) => candidate.name() === name);
  assert(command !== undefined, `${name} is no command`);
  const { unknown } = command.parseOptions(rest);
  assertEquals(unknown, [], `${name} does not know ${unknown}`);
}

Deno.test("Dockerfile: the last stage runs the compiled binary without root and without a shell", async () => {
  const instructions = await dockerfile();
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"));
  const of = (name: string) => last.filter((each) => each.name === name).map((each) => each.rest);
  assert(instructions.filter(({ name }) => name === "FROM").length >= 2, "not multi-stage");
  assert(last.every(({ name }) => name !== "RUN"), "the last stage builds something");
  const [user = ""] = of("USER");
  assert(/^[1-9]\d*/.test(user), `USER ${user}`);
  const entrypoint: string[] = JSON.parse(of("ENTRYPOINT").join());
  assertEquals(entrypoint, ["converge"]);
  assertUnderstood(JSON.parse(of("CMD").join()));
  const [check = ""] = of("HEALTHCHECK");
  const [binary, ...words]: string[] = JSON.parse(check.slice(check.indexOf("CMD") + 3));
  assertEquals(binary, "converge");
  assertUnderstood(words);
  assertEquals(words[0], "health");
});

Deno.test("Dockerfile: every variable is one of the option table", async () => {
  for (const { name, rest } of await dockerfile()) {
    if (name !== "ENV") continue;
    for (const [, variable = ""] of rest.matchAll(/([A-Z_]+)=/g)) {
      assert(variables.has(variable), `${variable} is no option`);
    }
  }
});

Deno.test("Dockerfile: builds with a task that exists, from files that are not ignored", async () => {
  const config = await read("deno.json");
  const ignored = (await read(".dockerignore")).split("\n");
  const builds = (await dockerfile()).flatMap(({ rest }) =>
    /deno task (\S+)/.exec(rest)?.[1] ?? []
  );
  assertEquals(builds, ["compile"]);
  for (const task of builds) assert(config.includes(`"${task}": {`));
  for (const needed of ["main.ts", "src", "deno.json", "deno.lock"]) {
    assert(!ignored.includes(needed), `${needed} is ignored`);
  }
});

Deno.test("docker-compose.yml: three nodes that know each other, one volume each", async () => {
  const file: { services: Record<string, Service>; volumes: Record<string, null> } = parse(
    await read("docker-compose.yml"),
    { merge: true },
  );
  assertEquals(Object.keys(file.services), ["node1", "node2", "node3"]);
  const origins = new Set<string>();
  for (const [index, [name, service]] of Object.entries(file.services).entries()) {
    for (const variable of Object.keys(service.environment)) {
      assert(variables.has(variable), `${name}: ${variable} is no option`);
    }
    const settings = readNodeSettings({}, (variable) => service.environment[variable]);
    const config = nodeConfig(settings, settings.port);
    assertEquals(settings.port, 8081 + index);
    assertEquals(config.name, name);
    assertEquals(config.advertise, `http://${service.hostname}:${settings.port}`);
    assertEquals(service.ports, [`127.0.0.1:${settings.port}:${settings.port}`]);
    assertEquals(service.volumes.length, 1);
    const [volume, directory] = service.volumes.join().split(":");
    assert(volume !== undefined && volume in file.volumes, `${name}: ${volume} is not declared`);
    assertEquals(directory, "/var/lib/converge/data");
    assertEquals(service.build, ".");
    assertEquals(service.restart, "unless-stopped");
    const [kind, binary, ...words] = service.healthcheck.test;
    assertEquals([kind, binary], ["CMD", "converge"]);
    assertUnderstood(words);
    origins.add(config.advertise);
  }
  for (const { environment } of Object.values(file.services)) {
    const { advertise = "", peers } = readNodeSettings({}, (variable) => environment[variable]);
    assertEquals(new Set([advertise, ...peers]), origins);
  }
});

Deno.test("docker-compose.yml: the data of a node lies where the image lets it write", async () => {
  const last = await dockerfile();
  const workdir = last.filter(({ name }) => name === "WORKDIR").at(-1)?.rest;
  const settings = readNodeSettings({ id: "node1" }, () => undefined);
  assertEquals(nodeConfig(settings, 8081).dataDirectory, "./data/node1");
  assertEquals(`${workdir}/data`, "/var/lib/converge/data");
  assertEquals(last.find(({ name }) => name === "VOLUME")?.rest, `${workdir}/data`);
});
