import { assertEquals } from "@std/assert";
import { GOSSIP_PATH, receive, type Receiver } from "../../src/http/internal_message.ts";
import { FROM_HEADER } from "../../src/replication/peers/internal_protocol.ts";

Deno.test("receive: gossip of a removed name is taken, and is no sign of life of the one that is removed", async () => {
  const heard: string[] = [];
  const node = {
    nodeID: "a.1",
    bodies: { read: async (request: Request) => new Uint8Array(await request.arrayBuffer()) },
    auth: { check() {} },
    lamport: { observe() {} },
    isFromRemoved: (name: string) => name === "x",
    onHeard: (name: string) => heard.push(name),
  } as unknown as Receiver;
  for (const name of ["b", "x"]) {
    const headers = { [FROM_HEADER]: name };
    const init = { method: "POST", headers, body: "{}" };
    const { from } = await receive(new Request(`http://a:80${GOSSIP_PATH}`, init), node);
    assertEquals(from, name);
  }
  assertEquals(heard, ["b"]);
});
