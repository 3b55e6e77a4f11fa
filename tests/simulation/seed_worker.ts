/** An entry that is only the simulation's Worker. */
import { serveSeeds } from "../../src/cli/seed_pool.ts";

serveSeeds();
