import { assertEquals, assertRejects } from "@std/assert";
import { clusterEvents } from "../../../src/cli/live/cluster_events.ts";
import { ClientError } from "../../../src/client/client_error.ts";
import { deadlinesOf } from "../../support/deadlines.ts";

const eventText = new TextEncoder().encode('data: {"atMs":1,"members":[],"quorums":{}}\n\n');

Deno.test("clusterEvents(): a node that falls silent is told of, before its answer and after", async () => {
  const unanswered = Promise.withResolvers<Response>();
  const oneEvent = new ReadableStream({
    start: (controller) => controller.enqueue(eventText),
  });
  const silenceMs = 54_321;
  using silences = deadlinesOf(silenceMs);
  const fallSilent = () => {
    silences.pass();
    return unanswered.promise;
  };
  const answers = [fallSilent, () => new Response(oneEvent)];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => answers.shift()!(),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const watch = () => clusterEvents(url, new AbortController().signal, silenceMs);
  await assertRejects(() => watch().next(), ClientError, "no answer within 54321 ms");
  unanswered.resolve(new Response());
  const events = watch();
  assertEquals((await events.next()).value.atMs, 1);
  const next = assertRejects(() => events.next(), ClientError, "no answer within 54321 ms");
  silences.pass();
  await next;
});

Deno.test("clusterEvents(): a stream of something else is no node's", async () => {
  const events = ["{}", "null", '{"members":5,"quorums":{}}', '{"members":[]}'];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(`data: ${events.shift()}\n\n`),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  while (events.length > 0) {
    const next = clusterEvents(url, new AbortController().signal).next();
    await assertRejects(() => next, ClientError, "no node of Converge");
  }
});
