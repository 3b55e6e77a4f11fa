import { assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { EarlyDamage } from "../../src/node/early_damage.ts";
import type { DamageReport } from "../../src/storage/lsm_store.ts";
import { DATA, META } from "../../src/storage/store.ts";

function report(keyspace: string, loss: number): DamageReport {
  return { keyspace, loss, file: "damaged/000001.sst", reason: "rot", lost: [] };
}

/** A listener that notes the losses that it is told of. */
function noting(): { losses: number[]; listener: (report: DamageReport) => Promise<void> } {
  const losses: number[] = [];
  return { losses, listener: async ({ loss }) => void losses.push(loss) };
}

Deno.test("EarlyDamage.report(): waits for the node, but for its own documents before it is made", async () => {
  const damage = new EarlyDamage();
  const { losses, listener } = noting();
  const ofValues = damage.report(report(DATA, 3));
  await damage.report(report(META, 4));
  assertEquals([damage.documentsLoss, losses], [4, []]);
  damage.nodeMade();
  const ofDocuments = damage.report(report(META, 5));
  assertEquals(damage.documentsLoss, 4, "the node is told of it");
  damage.handTo(listener);
  await Promise.all([ofValues, ofDocuments, damage.report(report(DATA, 6))]);
  assertEquals(losses, [3, 5, 6]);
});

Deno.test("EarlyDamage.report(): rejects as the listener does, or as the opening of the node did", async () => {
  const refusing = new EarlyDamage();
  const onlyCopy = new ConvergeError("corrupt_file", "the only copy");
  refusing.handTo(() => Promise.reject(onlyCopy));
  await assertRejects(() => refusing.report(report(DATA, 1)), ConvergeError, "the only copy");

  const abandoned = new EarlyDamage();
  const waits = abandoned.report(report(DATA, 1));
  abandoned.abandon(new ConvergeError("disk_full", "no room"));
  await assertRejects(() => waits, ConvergeError, "no room");
});

Deno.test("EarlyDamage.abandon(): rejects nothing unseen where nobody has reported", async () => {
  new EarlyDamage().abandon(new ConvergeError("disk_full", "no room"));
  await new Promise((resolve) => setTimeout(resolve, 0));
});
