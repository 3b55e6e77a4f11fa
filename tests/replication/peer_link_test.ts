import { assert, assertEquals } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import type { Network, NetworkResponse } from "../../src/platform/network.ts";
import { decodeFrames } from "../../src/record/record_line.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { inWorld } from "../support/in_world.ts";
import { linkOver } from "../support/links.ts";
import { bytesOf, record } from "../support/records.ts";

/** A request under way, and how it ends. */
interface UnderWay {
  body: Uint8Array;
  end: PromiseWithResolvers<NetworkResponse>;
}

Deno.test("PeerLink: a batch is put together in memory of an answered one, never of one without an answer", async () => {
  await inWorld(async ({ clock, wait }) => {
    const sent: UnderWay[] = [];
    const network: Network = {
      request({ body }) {
        const end = Promise.withResolvers<NetworkResponse>();
        sent.push({ body: body!, end });
        return end.promise;
      },
    };
    const link = await linkOver(network, clock, new MemoryStore());
    let answers = 0;
    const send = async (key: string, value?: string): Promise<UnderWay> => {
      link.write(record(key, 1, value === undefined ? {} : { value }), {
        onWriteAnswer: () => answers++,
      }, 0);
      await wait(50); // an answer that is late holds up nothing
      const batch = sent.at(-1)!;
      assertEquals(decodeFrames(batch.body).map((found) => found.key), [key]);
      return batch;
    };
    const answered = async ({ end }: UnderWay) => {
      end.resolve({ status: 200, headers: new Headers(), body: bytesOf("stored\n") });
      await wait(1);
    };
    const first = await send("a-longer-key");
    const second = await send("short");
    assert(second.body.buffer !== first.body.buffer, "the first is still under way");
    await answered(first);
    const third = await send("b");
    assert(third.body.buffer === first.body.buffer);
    third.end.reject(new ConvergeError("timeout", "no answer"));
    await wait(1);
    link.heard();
    const fourth = await send("c");
    assert(fourth.body.buffer !== third.body.buffer, "nobody knows whether it is still being sent");
    await answered(second);
    await answered(fourth);
    const long = await send("long", "x".repeat(600 * 1024));
    await answered(long);
    const last = await send("d");
    assert(last.body.buffer !== long.body.buffer, "that of one long value is not kept");
    await answered(last);
    assertEquals(answers, 6);
  });
});
