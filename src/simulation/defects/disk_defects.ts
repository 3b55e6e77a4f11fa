/** Mistakes in how the disk is used: made by a disk that does not do what it is told. */
import type { AppendFile, Disk } from "../../platform/disk.ts";
import { appendFileAround, diskAround } from "../../platform/disk_around.ts";
import { withSyncErrors } from "./focused_plans.ts";
import type { Defect } from "./defect.ts";

/** Files reach the device in another way. */
function withSync(sync: (file: AppendFile) => Promise<void>): NonNullable<Defect["platform"]> {
  return (platform) => {
    const { disk } = platform;
    const openAppend: Disk["openAppend"] = (path, options) => {
      const file = disk.openAppend(path, options);
      return appendFileAround(file, () => sync(file));
    };
    return { ...platform, disk: diskAround(disk, { openAppend }) };
  };
}

/** Defects of durability. */
export const DISK_DEFECTS: readonly Defect[] = [
  {
    name: "fsync-skipped",
    about: "a write is acknowledged before it is on the disk",
    seedsMax: 50,
    platform: withSync(() => Promise.resolve()),
  },
  {
    name: "fsync-error-ignored",
    about: "a failed fsync is taken for a good one",
    seedsMax: 50,
    plan: withSyncErrors,
    platform: withSync((file) => file.sync().catch(() => {})),
  },
  {
    name: "fsync-retried",
    about: "a failed fsync is tried again on the same file",
    seedsMax: 50,
    plan: withSyncErrors,
    platform: withSync((file) => file.sync().catch(() => file.sync())),
  },
  {
    name: "directory-sync-skipped",
    about: "a file is lost for want of a directory fsync",
    seedsMax: 50,
    platform: (platform) => ({
      ...platform,
      disk: diskAround(platform.disk, { syncDirectory: () => Promise.resolve() }),
    }),
  },
];
