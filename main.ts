/** The entry of Converge: the command line, and the Workers that it starts. */
import { runNodeWorker } from "./src/cli/local/node_worker.ts";
import { runProgram } from "./src/cli/program.ts";
import { NODE_WORKER_PREFIX } from "./src/cli/local/worker_messages.ts";
import { SEED_WORKER_NAME, serveSeeds } from "./src/cli/seed_pool.ts";

// A Worker is this entry once more, under the name that it was started with.
// The modules of the page bring the types of browsers along, where every window has a name.
const { name: worker } = globalThis as { name?: string };
if (!worker) Deno.exit(await runProgram(Deno.args, import.meta.url));
else if (worker === SEED_WORKER_NAME) serveSeeds();
else if (worker.startsWith(NODE_WORKER_PREFIX)) runNodeWorker();
