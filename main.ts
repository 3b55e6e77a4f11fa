/** The entry of Converge: the command line, and the Workers that it starts. */
import { runNodeWorker } from "./src/cli/node_worker.ts";
import { runProgram } from "./src/cli/program.ts";
import { NODE_WORKER_PREFIX } from "./src/cli/worker_messages.ts";

// A Worker is this entry once more, under the name that it was started with.
if (!globalThis.name) Deno.exit(await runProgram(Deno.args, import.meta.url));
else if (globalThis.name.startsWith(NODE_WORKER_PREFIX)) runNodeWorker();
