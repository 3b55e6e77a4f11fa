/** Prints the hash of a seed's history, from a process of its own. */
import { runSeed } from "../../src/simulation/run_seed.ts";

console.log((await runSeed(Number(Deno.args[0]))).hash);
