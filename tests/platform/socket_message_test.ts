import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ConvergeError } from "../../src/errors.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeSocketMessage,
} from "../../src/platform/deno/socket_message.ts";

const headers = fc.dictionary(fc.stringMatching(/^[a-z-]{1,20}$/), fc.string());
const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const body = fc.uint8Array({ maxLength: 300 });

Deno.test("decodeRequest() and decodeResponse() give back what was encoded", () => {
  fc.assert(fc.property(number, fc.string(), headers, body, (number, path, headers, body) => {
    const message = encodeSocketMessage(number, { path, headers }, body);
    assertEquals(decodeRequest(message), { number, head: { path, headers }, body });
  }));
  fc.assert(fc.property(number, fc.nat(999), headers, body, (number, status, headers, body) => {
    const message = encodeSocketMessage(number, { status, headers }, body);
    assertEquals(decodeResponse(message), { number, head: { status, headers }, body });
  }));
});

Deno.test("decodeRequest() and decodeResponse() refuse what is cut off, torn or of another kind", () => {
  const request = encodeSocketMessage(7, { path: "/x", headers: { a: "b" } }, new Uint8Array(9));
  const headEnd = request.byteLength - 9;
  const unusable = [
    ...Array.from({ length: headEnd }, (_, length) => request.subarray(0, length)),
    encodeSocketMessage(1, { status: 200, headers: {} }, new Uint8Array()),
    ...[
      "null",
      "[]",
      "7",
      '{"path":7,"headers":{}}',
      '{"path":"/x"}',
      '{"path":"/x","headers":7}',
      "x",
    ]
      .map((head) => withHead(head)),
  ];
  for (const message of unusable) {
    const error = assertThrows(() => decodeRequest(message), ConvergeError);
    assertEquals(error.code, "corrupt_message");
  }
  assertThrows(() => decodeResponse(request), ConvergeError, "no status");
});

Deno.test("decodeRequest() reads no head that is out of all proportion", () => {
  const path = "/" + "x".repeat(20_000);
  const message = encodeSocketMessage(1, { path, headers: {} }, new Uint8Array());
  assertThrows(() => decodeRequest(message), ConvergeError);
});

function withHead(head: string): Uint8Array {
  const bytes = new TextEncoder().encode(head);
  const message = new Uint8Array(8 + bytes.byteLength);
  new DataView(message.buffer).setUint32(4, bytes.byteLength);
  message.set(bytes, 8);
  return message;
}
