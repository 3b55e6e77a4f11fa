/** An LSM store on a simulated disk that tests can break. */
import type { ConvergeError } from "../../src/errors.ts";
import { ProcessLife } from "../../src/simulation/virtual/process_life.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { VirtualDisk } from "../../src/simulation/virtual/virtual_disk.ts";
import { type DamageReport, LsmStore, type LsmStoreOptions } from "../../src/storage/lsm_store.ts";
import { InstantClock } from "./instant_clock.ts";

/** The data directory on the simulated disk. */
export const DIRECTORY = "data";

/** A device and what the stores on it reported. */
export class VirtualStore {
  readonly device: VirtualDisk;
  readonly fatal: ConvergeError[] = [];
  readonly damage: DamageReport[] = [];

  constructor(seed = 1) {
    this.device = new VirtualDisk({ random: new SeededRandom(seed, "disk") });
  }

  /** Opens the store in a new life of the process. */
  open(options: Partial<LsmStoreOptions> = {}): Promise<LsmStore> {
    return LsmStore.open({
      directory: DIRECTORY,
      clock: new InstantClock(),
      memtableBytes: 4096,
      cacheBytes: 8192,
      onFatal: (error) => void this.fatal.push(error),
      onDamage: (report) => void this.damage.push(report),
      ...options,
      // A crash ends the life that was mounted last.
      disk: options.disk ?? this.device.mount(new ProcessLife()),
    });
  }

  /** From now on the disk has room for so many bytes more. */
  leaveRoom(bytes: number): void {
    const used = this.device.files().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.device.faults.capacityBytes = used + bytes;
  }

  /** Paths of the files that end so. */
  paths(ending: string): string[] {
    return this.device.files().map(({ path }) => path).filter((path) => path.endsWith(ending));
  }

  size(path: string): number {
    return this.device.files().find((file) => file.path === path)!.sizeBytes;
  }
}
