/** An entry that is only the simulation's Worker. */
import { serveSeeds } from "../../src/simulation/seed_pool.ts";

serveSeeds();
