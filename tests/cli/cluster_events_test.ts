import { assertEquals, assertRejects } from "@std/assert";
import { clusterEvents } from "../../src/cli/cluster_events.ts";
import { ClientError } from "../../src/client/client_error.ts";

Deno.test("clusterEvents(): a node that falls silent is told of, before its answer and after", async () => {
  const unanswered = Promise.withResolvers<Response>();
  const oneEvent = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('data: {"atMs":1}\n\n')),
  });
  const answers = [() => unanswered.promise, () => new Response(oneEvent)];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => answers.shift()!(),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const watch = () => clusterEvents(url, new AbortController().signal, 100);
  await assertRejects(() => watch().next(), ClientError, "no answer within 100 ms");
  unanswered.resolve(new Response());
  const events = watch();
  assertEquals((await events.next()).value.atMs, 1);
  await assertRejects(() => events.next(), ClientError, "no answer within 100 ms");
});
