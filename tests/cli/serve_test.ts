import { assertEquals, assertRejects } from "@std/assert";
import { untilEnded } from "../../src/cli/serve.ts";
import { ConvergeError } from "../../src/errors.ts";

const BROKEN = new ConvergeError("disk_failed", "Cannot write any more: no");
const REMOVED = new ConvergeError("removed", "Cannot go on", { details: { asAsked: true } });

/** A node that has to stop itself before it is told to end, or while it ends. */
function node(failure: { before?: ConvergeError; meanwhile?: ConvergeError }) {
  const { promise, resolve } = Promise.withResolvers<ConvergeError>();
  if (failure.before !== undefined) resolve(failure.before);
  let stops = 0;
  return {
    failed: promise,
    stop() {
      stops++;
      if (failure.meanwhile !== undefined) resolve(failure.meanwhile);
      return Promise.resolve();
    },
    stops: () => stops,
  };
}

const never = new Promise<string>(() => {});

Deno.test("converge serve: ends well when it is told to, or was removed as somebody asked", async () => {
  const told = node({});
  assertEquals([await untilEnded(told, Promise.resolve("SIGTERM")), told.stops()], ["told", 1]);
  const removed = node({ before: REMOVED });
  assertEquals([await untilEnded(removed, never), removed.stops()], ["removed", 1]);
});

Deno.test("converge serve: a node that fails does not end well, nor one that fails while it ends", async () => {
  await assertRejects(() => untilEnded(node({ before: BROKEN }), never), ConvergeError, "no");
  const late = node({ meanwhile: BROKEN });
  await assertRejects(() => untilEnded(late, Promise.resolve("SIGTERM")), ConvergeError, "no");
});
