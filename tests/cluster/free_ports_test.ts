import { assertEquals } from "@std/assert";
import { STRETCH } from "./harness.ts";

/** The harness as each of many test files has it that run beside each other. */
const harnesses: typeof import("./harness.ts")[] = [];
for (let i = 0; i < 30; i++) harnesses.push(await import(`./harness.ts?${i}`));

Deno.test("freePorts(): test files that run beside each other never get the same ports", () => {
  // A few at a time: others may listen at some, since the machine is not for tests alone.
  const stretches = harnesses.map(({ freePorts }) =>
    new Set(
      Array.from({ length: STRETCH / 10 }, () => freePorts(5)).flat()
        .map((port) => Math.floor(port / STRETCH)),
    )
  );
  assertEquals(stretches.map(({ size }) => size), stretches.map(() => 1));
  assertEquals(new Set(stretches.flatMap((one) => [...one])).size, stretches.length);
});

Deno.test("freePorts(): a port is not given twice, though nobody listens at it yet", () => {
  const { freePorts } = harnesses[0]!;
  const ports = Array.from({ length: 40 }, (_, i) => freePorts(1 + i % 4)).flat();
  assertEquals(new Set(ports).size, ports.length);
});
