/** What comes back for a view. */
import { assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { exchangeViews } from "../../../src/replication/gossip/gossip_exchange.ts";
import { bodyChecksum } from "../../../src/replication/peers/body_checksum.ts";
import { MessageAuth } from "../../../src/replication/peers/message_auth.ts";
import { gossipOf, member } from "../../support/members.ts";

function exchange(status: number, text: string, checksumOf = text) {
  const response = {
    status,
    headers: new Headers(bodyChecksum(checksumOf)),
    body: new TextEncoder().encode(text),
  };
  const platform = { network: { request: () => Promise.resolve(response) } };
  const channel = { auth: new MessageAuth(""), timeoutMs: 1_000 };
  return exchangeViews(
    { ...channel, platform: platform as unknown as Platform },
    { origin: "http://b:80", body: new Uint8Array(), headers: {} },
  );
}

Deno.test("exchangeViews(): the view of the other one, none where it refuses, none that was damaged", async () => {
  const view = JSON.stringify(gossipOf(member("b")).message());
  assertEquals((await exchange(200, view)).from, "b");
  for (const status of [421, 503]) {
    assertEquals(await exchange(status, "refused"), { from: "", members: [], counter: 0 });
  }
  const refused = await assertRejects(() => exchange(401, "refused"), ConvergeError);
  assertEquals(refused.code, "forged_message");
  const damaged = view.replace('"name":"b"', '"name":"c"').replace("b.1", "c.1");
  const error = await assertRejects(() => exchange(200, damaged, view), ConvergeError);
  assertEquals(error.code, "corrupt_message");
});
