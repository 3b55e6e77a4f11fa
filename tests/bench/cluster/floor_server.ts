/**
 * The floor: a bare `Deno.serve` that reads a PUT's body and answers 204, and answers GET with bytes.
 * Nothing that answers HTTP in this runtime can be faster. Usage: `floor_server.ts <port> <bytes>`.
 */
import { textOf } from "./target.ts";

const [port, bytes] = Deno.args.map(Number);
const value = new TextEncoder().encode(textOf(bytes ?? 100));

Deno.serve({ hostname: "127.0.0.1", port: port ?? 0, onListen() {} }, async (request) => {
  if (request.method === "GET") return new Response(value);
  await request.arrayBuffer();
  return new Response(null, { status: 204 });
});
