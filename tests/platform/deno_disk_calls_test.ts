/** What the real disk asks of the system, where nothing but a power failure would show that it did not. */
import { assertEquals, assertThrows } from "@std/assert";
import fs from "node:fs";
import { ConvergeError } from "../../src/errors.ts";
import { DenoDisk } from "../../src/platform/deno/deno_disk.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Runs `body` in a directory of its own, with some calls of the runtime replaced. */
async function withCalls(
  replaced: { file?: Partial<Deno.FsFile>; linkSync?: typeof fs.linkSync },
  body: (directory: string, disk: DenoDisk) => Promise<void> | void,
): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "converge-calls-" });
  const file = Deno.FsFile.prototype;
  const { syncData, sync, syncDataSync, syncSync, writeSync } = file;
  const { linkSync } = fs;
  try {
    Object.assign(file, replaced.file ?? {});
    fs.linkSync = replaced.linkSync ?? linkSync;
    await body(directory, new DenoDisk());
  } finally {
    fs.linkSync = linkSync;
    Object.assign(file, { syncData, sync, syncDataSync, syncSync, writeSync });
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Notes which kinds of sync are asked for, and asks for them. */
function noting(calls: string[]): Partial<Deno.FsFile> {
  const { syncData, sync, syncDataSync, syncSync } = Deno.FsFile.prototype;
  return {
    syncData(this: Deno.FsFile) {
      calls.push("syncData");
      return syncData.call(this);
    },
    sync(this: Deno.FsFile) {
      calls.push("sync");
      return sync.call(this);
    },
    syncDataSync(this: Deno.FsFile) {
      calls.push("syncDataSync");
      syncDataSync.call(this);
    },
    syncSync(this: Deno.FsFile) {
      calls.push("syncSync");
      syncSync.call(this);
    },
  };
}

function failure(fields: { code?: string; message?: string }): never {
  throw Object.assign(new Error(fields.message ?? fields.code), fields);
}

Deno.test("DenoDisk: a file, a directory and the entry of each new one are synced by the system", async () => {
  const calls: string[] = [];
  await withCalls({ file: noting(calls) }, async (directory, disk) => {
    disk.makeDirectory(`${directory}/a/b`);
    assertEquals(calls, ["syncSync", "syncSync"], "of both in what they lie in");
    disk.makeDirectory(`${directory}/a/b`);
    assertEquals(calls.length, 2);
    calls.length = 0;
    const file = disk.openAppend(`${directory}/a/b/f`);
    file.append(bytes("text"));
    assertEquals(calls, []);
    await file.sync();
    file.close();
    assertEquals(calls, ["syncData"]);
    await disk.syncDirectory(`${directory}/a/b`);
    assertEquals(calls, ["syncData", "sync"]);
    assertEquals(disk.fileSize(`${directory}/a/b`), undefined, "that is no file");
  });
});

Deno.test("DenoDisk.link: where there are no links it copies, and syncs the copy; other failures it tells", async () => {
  for (const code of ["EXDEV", "EPERM", "ENOTSUP", "EMLINK", "ENOSYS"]) {
    const calls: string[] = [];
    const linkSync = () => failure({ code });
    await withCalls({ file: noting(calls), linkSync }, (directory, disk) => {
      Deno.writeTextFileSync(`${directory}/f`, "text");
      disk.link(`${directory}/f`, `${directory}/g`);
      assertEquals(Deno.readTextFileSync(`${directory}/g`), "text");
      assertEquals(calls, ["syncDataSync"]);
    });
  }
  await withCalls({ linkSync: () => failure({ code: "EACCES" }) }, (directory, disk) => {
    Deno.writeTextFileSync(`${directory}/f`, "text");
    const link = () => disk.link(`${directory}/f`, `${directory}/g`);
    assertEquals(assertThrows(link, ConvergeError).code, "disk_failed");
    assertEquals(disk.fileSize(`${directory}/g`), undefined);
  });
});

Deno.test("DenoDisk: a lock that is there holds also where nothing may be written", async () => {
  await withCalls({}, (directory, disk) => {
    const path = `${directory}/lock`;
    disk.lock(path).release();
    const { openSync } = Deno;
    const mayOnlyRead = (path: string, options?: Deno.OpenOptions) =>
      options?.write ? failure({ code: "EROFS" }) : openSync(path, options);
    Object.assign(Deno, { openSync: mayOnlyRead });
    try {
      const lock = disk.lock(path);
      const again = assertThrows(() => disk.lock(path), ConvergeError);
      assertEquals(again.code, "data_locked");
      lock.release();
      const absent = assertThrows(() => disk.lock(`${directory}/absent`), ConvergeError, "EROFS");
      assertEquals(absent.code, "disk_failed");
    } finally {
      Object.assign(Deno, { openSync });
    }
  });
});

Deno.test("DenoDisk: what the system writes in parts is written whole", async () => {
  const { writeSync } = Deno.FsFile.prototype;
  const file = {
    writeSync(this: Deno.FsFile, some: Uint8Array) {
      return writeSync.call(this, some.subarray(0, 3));
    },
  };
  await withCalls({ file }, (directory, disk) => {
    const written = disk.openAppend(`${directory}/f`);
    written.append(bytes("some text"));
    assertEquals(written.sizeBytes, 9);
    written.close();
    assertEquals(Deno.readTextFileSync(`${directory}/f`), "some text");
    disk.rewrite(`${directory}/f`, 0, bytes("SOME TEXT"));
    assertEquals(Deno.readTextFileSync(`${directory}/f`), "SOME TEXT");
  });
});

Deno.test("DenoDisk: a quota, the largest file and a full disk are a matter of space, by name or by number", async () => {
  const failures = [
    [{ code: "ENOSPC" }, "disk_full"],
    [{ code: "EDQUOT" }, "disk_full"],
    [{ code: "EFBIG" }, "disk_full"],
    [{ message: "No space left on device (os error 28)" }, "disk_full"],
    [{ message: "Quota exceeded (os error 122)" }, "disk_full"],
    [{ message: "File too large (os error 27)" }, "disk_full"],
    [{ message: "Input/output error (os error 5)" }, "disk_failed"],
  ] as const;
  for (const [fields, code] of failures) {
    await withCalls({ file: { writeSync: () => failure(fields) } }, (directory, disk) => {
      const file = disk.openAppend(`${directory}/f`);
      assertEquals(assertThrows(() => file.append(bytes("text")), ConvergeError).code, code);
      file.close();
    });
  }
});

Deno.test("DenoDisk.freeBytes() is what others may write, and asks nobody for the permission to know", async () => {
  await withCalls({}, (directory, disk) => {
    const { statfsSync } = fs;
    const { querySync } = Deno.permissions;
    try {
      const found = { bavail: 3, bfree: 4, bsize: 512 } as fs.StatsFs;
      fs.statfsSync = (() => found) as unknown as typeof statfsSync;
      assertEquals(disk.freeBytes(directory), 3 * 512);
      fs.statfsSync = () => failure({ code: "ENOSYS" });
      assertEquals(disk.freeBytes(directory), Infinity);
      fs.statfsSync = (() => found) as unknown as typeof statfsSync;
      Deno.permissions.querySync = () => ({ state: "prompt" }) as Deno.PermissionStatus;
      assertEquals(disk.freeBytes(directory), Infinity);
    } finally {
      fs.statfsSync = statfsSync;
      Deno.permissions.querySync = querySync;
    }
    assertEquals(Number.isSafeInteger(disk.freeBytes(directory)), true, "of the real file system");
  });
});
