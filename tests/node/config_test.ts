/** What a configuration may say, also one that no command line was read for. */
import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULTS, type NodeConfig, validateConfig, VALUE_BYTES_MAX } from "../../src/config.ts";
import { ConvergeError } from "../../src/errors.ts";

const CONFIG: NodeConfig = {
  ...DEFAULTS,
  name: "n1",
  advertise: "http://127.0.0.1:8081",
  dataDirectory: "data",
};

function refused(changes: Partial<NodeConfig>, option: string): void {
  const error = assertThrows(
    () => validateConfig({ ...CONFIG, ...changes }),
    ConvergeError,
    option,
  );
  assertEquals(error.code, "bad_config");
}

Deno.test("validateConfig(): each number has a least and a greatest", () => {
  // With one owner of each key every quorum is one; with fifteen, eight are a majority.
  const one = { replication: 1, readQuorum: 1, writeQuorum: 1 };
  const fifteen = { replication: 15, readQuorum: 8, writeQuorum: 8 };
  for (const taken of [one, fifteen]) {
    assertEquals(validateConfig({ ...CONFIG, ...taken }).replication, taken.replication);
  }
  refused({ ...one, replication: 0 }, "--replication");
  refused({ ...fifteen, replication: 16, writeQuorum: 9 }, "--replication");
  const bounds = [
    ["virtualNodes", "--virtual-nodes", 1, 4_096],
    ["gossipIntervalMs", "--gossip-interval", 10, 60_000],
    ["requestTimeoutMs", "--request-timeout", 50, 60_000],
    ["maxValueBytes", "--max-value", 1, VALUE_BYTES_MAX],
  ] as const;
  for (const [member, option, least, most] of bounds) {
    for (const value of [least, most]) {
      assertEquals(validateConfig({ ...CONFIG, [member]: value })[member], value);
    }
    for (const value of [least - 1, most + 1, least + 0.5, NaN]) {
      refused({ [member]: value }, option);
    }
  }
});

Deno.test("validateConfig(): quorums meet, and stay within the owners", () => {
  for (let replication = 1; replication <= 5; replication++) {
    for (let readQuorum = 0; readQuorum <= replication + 1; readQuorum++) {
      for (let writeQuorum = 0; writeQuorum <= replication + 1; writeQuorum++) {
        const quorums = { replication, readQuorum, writeQuorum };
        const isWithin = Math.min(readQuorum, writeQuorum) >= 1 &&
          Math.max(readQuorum, writeQuorum) <= replication;
        const meets = readQuorum + writeQuorum > replication && 2 * writeQuorum > replication;
        if (isWithin && meets) validateConfig({ ...CONFIG, ...quorums });
        else refused(quorums, "-quorum");
      }
    }
  }
});

Deno.test("validateConfig(): a name, origins, and nothing else in their place", () => {
  const peers = ["http://127.0.0.1:8082/", "HTTPS://Node3.example:443"];
  const config = validateConfig({ ...CONFIG, peers, advertise: "http://127.0.0.1:8081/" });
  assertEquals(config.advertise, "http://127.0.0.1:8081");
  assertEquals(config.peers, ["http://127.0.0.1:8082", "https://node3.example"]);
  for (const name of ["", ".n", "a/b", "x".repeat(64)]) refused({ name }, "--id");
  for (
    const origin of ["", "8081", "ftp://a", "http://a/b", "http://a?b", "http://u@a", "http://a#b"]
  ) {
    refused({ advertise: origin }, "--advertise");
    refused({ peers: [origin] }, "--peers");
  }
});
