/**
 * A store in a process that may hold no more files: clients' connections have taken all of them.
 *
 * Strategy: another process with a low bound opens a store, then files until there are no more, and
 * goes on with the store.
 */
import { assertEquals } from "@std/assert";

const ROUNDS = 6;
/** Each has a table of its own. */
const KEYSPACES = Array.from({ length: 12 }, (_, i) => `space-${i}`);

/** What the other process runs. Prints what it read, as one line of JSON. */
function script(directory: string): string {
  const from = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  return `
    import { DenoClock } from ${from("../../src/platform/deno/deno_clock.ts")};
    import { DenoDisk } from ${from("../../src/platform/deno/deno_disk.ts")};
    import { LsmStore } from ${from("../../src/storage/lsm_store.ts")};
    import { put, scanAll } from ${from("./store_conformance.ts")};
    Deno.addSignalListener("SIGUSR1", () => {}); // for the first of which the runtime opens files
    const options = { directory: ${JSON.stringify(directory)}, clock: new DenoClock() };
    const store = await LsmStore.open({ ...options, disk: new DenoDisk(), cacheBytes: 0 });
    const keyspaces = ${JSON.stringify(KEYSPACES)};
    const round = async (counter) => {
      const key = "k" + counter;
      await store.apply(keyspaces.map((keyspace) => ({ ...put(key, counter), keyspace })));
      await store.flush();
      for (const keyspace of keyspaces) store.get(keyspace, key);
    };
    await round(1);
    const taken = [];
    const takeAll = () => {
      try {
        while (true) taken.push(Deno.openSync("/dev/null"));
      } catch {
        // There are no more.
      }
    };
    let keys;
    try {
      for (let counter = 2; counter <= ${ROUNDS}; counter++) {
        takeAll();
        await round(counter);
      }
      takeAll();
      await store.settled();
      await store.checkpoint(options.directory + "/copy");
      keys = scanAll(store, keyspaces[5]).map(({ key }) => key);
      await store.close();
    } finally {
      for (const file of taken) file.close(); // to say what went wrong takes files, too
    }
    console.log(JSON.stringify({ keys, taken: taken.length > 10 }));
    Deno.exit(0);
  `;
}

Deno.test("LsmStore: goes on where the process may hold no more files", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "converge-few-files-" });
  try {
    const path = `${directory}/script.ts`;
    Deno.writeTextFileSync(path, script(`${directory}/data`));
    const run = ["run", "--no-check", "--no-lock", "-A", "--config", "deno.json", path];
    const args = ["-c", 'ulimit -n 128 && exec "$@"', "sh", Deno.execPath(), ...run];
    const env = { DENO_NO_UPDATE_CHECK: "1" };
    const { stdout, stderr } = await new Deno.Command("sh", { args, env }).output();
    const keys = Array.from({ length: ROUNDS }, (_, i) => `k${i + 1}`);
    const text = new TextDecoder().decode(stdout);
    assertEquals(text, JSON.stringify({ keys, taken: true }) + "\n", decoded(stderr));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
