import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULTS } from "../../../src/config.ts";
import { ConvergeError } from "../../../src/errors.ts";
import { originOf } from "../../../src/cli/options/listen_address.ts";
import { isAdvertisedInVain, nodeConfig } from "../../../src/cli/options/node_config.ts";
import {
  environmentName,
  NODE_OPTIONS,
  readNodeSettings,
} from "../../../src/cli/options/node_options.ts";

const none = () => undefined;

Deno.test("readNodeSettings() takes the flag, else the variable, else the default", () => {
  const environment = (name: string) =>
    ({ CONVERGE_PORT: "9001", CONVERGE_MAX_VALUE: "2MiB", CONVERGE_HOST: "" })[name];
  const settings = readNodeSettings({ port: "9002" }, environment);
  assertEquals(settings.port, 9002);
  assertEquals(settings.maxValueBytes, 2 * 1024 * 1024);
  assertEquals(settings.host, "127.0.0.1");
  assertEquals(settings.gossipIntervalMs, DEFAULTS.gossipIntervalMs);
});

Deno.test("readNodeSettings() names the flag or the variable that cannot be used", () => {
  const bad: [string, string][] = [
    ["port", "-1"],
    ["port", "65536"],
    ["port", "80a"],
    ["port", "6000"],
    ["host", ""],
    ["host", "not a host"],
    ["host", "http://127.0.0.1"],
    ["id", "../up"],
    ["cluster-secret", ""],
    ["advertise", "node1:8081"],
    ["advertise", "http://node1:6000"],
    ["peers", "http://a:8081,nonsense"],
    ["peers", "http://a:8081,http://b:6000"],
    ["data", ""],
    ["replication", "0"],
    ["max-value", "1MB"],
    ["gossip-interval", "2 fortnights"],
    ["request-timeout", "49ms"],
    ["durability", "never"],
    ["log-level", "loud"],
    ["trace-ratio", "1.5"],
    ["trace-ratio", "1e-2"],
  ];
  for (const [name, text] of bad) {
    const flags = { [name]: text };
    assertEquals(
      assertThrows(() => readNodeSettings(flags, none), ConvergeError, `--${name} `).code,
      "bad_config",
    );
    if (text === "") continue;
    const variable = environmentName(name);
    const environment = (asked: string) => asked === variable ? text : undefined;
    assertThrows(() => readNodeSettings({}, environment), ConvergeError, `${variable} `);
  }
});

Deno.test("readNodeSettings() lets quorums follow the number of owners", () => {
  for (const [replication, majority] of [["1", 1], ["3", 2], ["4", 3], ["5", 3]] as const) {
    const { readQuorum, writeQuorum } = readNodeSettings({ replication }, none);
    assertEquals([readQuorum, writeQuorum], [majority, majority]);
  }
  assertEquals(readNodeSettings({ replication: "5", "write-quorum": "4" }, none).writeQuorum, 4);
});

Deno.test("NODE_OPTIONS: what the table calls the default is the default", () => {
  const defaults = readNodeSettings({}, none);
  for (const { name, fallback, read } of NODE_OPTIONS) {
    if (fallback.includes("<") || fallback === "none") continue;
    const settings = readNodeSettings({}, none);
    read(settings, fallback, name);
    assertEquals(settings, defaults, name);
  }
});

Deno.test("readNodeSettings() reads every form of durability, time and size", () => {
  assertEquals(readNodeSettings({ durability: "50ms" }, none).durability, {
    mode: "interval",
    ms: 50,
  });
  assertEquals(readNodeSettings({ durability: "os" }, none).durability, { mode: "os" });
  assertEquals(readNodeSettings({ "gossip-interval": "250" }, none).gossipIntervalMs, 250);
  assertEquals(readNodeSettings({ "request-timeout": "50ms" }, none).requestTimeoutMs, 50);
  assertEquals(readNodeSettings({ "hint-age": "2h" }, none).hintAgeMsMax, 7_200_000);
  assertEquals(readNodeSettings({ memtable: "64KiB" }, none).memtableBytes, 65_536);
});

Deno.test("readNodeSettings() says all that durability may be, also for a time out of range", () => {
  for (const durability of ["0", "2m", "50 ticks", "never"]) {
    const wanted = "fsync, os, or a time like 50ms, from 1 to 60000 ms";
    assertThrows(() => readNodeSettings({ durability }, none), ConvergeError, wanted);
  }
});

Deno.test("nodeConfig() derives name, URL and directory from the real port", () => {
  const config = nodeConfig(readNodeSettings({ port: "0" }, none), 4711);
  assertEquals(config.name, "node-4711");
  assertEquals(config.advertise, "http://127.0.0.1:4711");
  assertEquals(config.dataDirectory, "./data/node-4711");
  const everywhere = nodeConfig(readNodeSettings({ host: "0.0.0.0" }, none), 4711);
  assertEquals(everywhere.advertise, "http://127.0.0.1:4711");
  const six = nodeConfig(readNodeSettings({ host: "::1" }, none), 4711);
  assertEquals(six.advertise, "http://[::1]:4711");
  const own = { id: "a", host: "[::]", advertise: "http://a:80", data: "./data/x" };
  const { name, advertise, dataDirectory } = nodeConfig(readNodeSettings(own, none), 4711);
  assertEquals([name, advertise, dataDirectory], ["a", "http://a", "./data/x"]);
});

Deno.test("originOf(): an address that can be opened, for each that one can listen on", () => {
  const hosts = ["10.0.0.1", "localhost", "0.0.0.0", "::", "[::]", "::1", "[::1]"];
  assertEquals(hosts.map((host) => originOf(host, 80)), [
    "http://10.0.0.1:80",
    "http://localhost:80",
    ...[1, 2, 3].map(() => "http://127.0.0.1:80"),
    ...[1, 2].map(() => "http://[::1]:80"),
  ]);
});

Deno.test("isAdvertisedInVain(): a node that listens for others, and tells them 127.0.0.1", () => {
  const inVain = (flags: Record<string, string>) =>
    isAdvertisedInVain(readNodeSettings(flags, none));
  assertEquals([inVain({ host: "0.0.0.0" }), inVain({ host: "::" })], [true, true]);
  assertEquals([inVain({}), inVain({ host: "10.0.0.1" })], [false, false]);
  assertEquals(inVain({ host: "0.0.0.0", advertise: "http://node1:8080" }), false);
});
