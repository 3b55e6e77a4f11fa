import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError, isConvergeError } from "../../src/errors.ts";
import { DenoDisk } from "../../src/platform/deno/deno_disk.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function inDirectory(body: (directory: string, disk: DenoDisk) => Promise<void> | void) {
  const directory = Deno.makeTempDirSync({ prefix: "converge-disk-" });
  try {
    await body(directory, new DenoDisk());
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("DenoDisk: appends, reads at an offset, goes on where a file ends", () =>
  inDirectory(async (directory, disk) => {
    const path = `${directory}/f`;
    assertEquals(disk.fileSize(path), undefined);
    const file = disk.openAppend(path);
    file.append(bytes("hello "));
    await file.sync();
    file.close();
    const again = disk.openAppend(path);
    assertEquals(again.sizeBytes, 6);
    again.append(bytes("world"));
    assertEquals(again.sizeBytes, 11);
    again.close();
    const read = disk.openRead(path);
    assertEquals(read.sizeBytes, 11);
    assertEquals(read.readAt(6, 5), bytes("world"));
    const target = bytes("-----!");
    read.readInto(6, target.subarray(0, 5));
    assertEquals(target, bytes("world!"));
    const error = assertThrows(() => read.readAt(6, 6), ConvergeError);
    assertEquals(error.code, "disk_failed");
    read.close();
    disk.truncate(path, 5);
    assertEquals(disk.fileSize(path), 5);
  }));

Deno.test("DenoDisk.rewrite() writes in the same place, and goes before nothing that is appended", () =>
  inDirectory((directory, disk) => {
    const path = `${directory}/f`;
    Deno.writeTextFileSync(path, "hello");
    const { ino } = Deno.statSync(path);
    const file = disk.openAppend(path);
    disk.rewrite(path, 0, bytes("HELLO"));
    disk.rewrite(path, 3, bytes("p!"));
    file.append(bytes(" world"));
    file.close();
    assertEquals([Deno.readTextFileSync(path), Deno.statSync(path).ino], ["HELp! world", ino]);
    const absent = assertThrows(() => disk.rewrite(`${directory}/g`, 0, bytes("x")), ConvergeError);
    assertEquals([absent.code, disk.fileSize(`${directory}/g`)], ["disk_failed", undefined]);
  }));

Deno.test("DenoDisk: with room zeros follow what was appended, until the file is closed", () =>
  inDirectory(async (directory, disk) => {
    const path = `${directory}/f`;
    const options = { roomBytes: 100 };
    const content = () => new TextDecoder().decode(Deno.readFileSync(path));
    const file = disk.openAppend(path, options);
    assertEquals(content(), "");
    file.append(bytes("ab"));
    assertEquals([content(), file.sizeBytes], ["ab", 2], "none before it pays");
    await file.sync();
    assertEquals([content(), file.sizeBytes], ["ab" + "\0".repeat(100), 2]);
    file.append(bytes("c".repeat(90)));
    await file.sync();
    assertEquals(content(), "ab" + "c".repeat(90) + "\0".repeat(10));
    file.append(bytes("d".repeat(26)));
    await file.sync();
    assertEquals(content(), "ab" + "c".repeat(90) + "d".repeat(26), "for few like it none");
    file.append(bytes("e".repeat(25)));
    await file.sync();
    const whole = "ab" + "c".repeat(90) + "d".repeat(26) + "e".repeat(25);
    assertEquals(content(), whole + "\0".repeat(100));
    file.close();
    assertEquals(content(), whole);
    const again = disk.openAppend(path, options);
    assertEquals(again.sizeBytes, whole.length);
    again.append(bytes("f"));
    again.close();
    assertEquals(content(), whole + "f");
  }));

Deno.test("DenoDisk: names", () =>
  inDirectory(async (directory, disk) => {
    disk.makeDirectory(`${directory}/a/b`);
    disk.makeDirectory(`${directory}/a/b`);
    disk.openAppend(`${directory}/a/f`).close();
    disk.link(`${directory}/a/f`, `${directory}/a/g`);
    disk.rename(`${directory}/a/f`, `${directory}/a/h`);
    assertEquals(disk.list(`${directory}/a`), ["b", "g", "h"]);
    assertEquals(disk.list(`${directory}/nothing`), []);
    await disk.syncDirectory(`${directory}/a`);
    disk.remove(`${directory}/a/g`);
    disk.remove(`${directory}/a/g`);
    await disk.discard(`${directory}/a/h`);
    await disk.discard(`${directory}/a/h`);
    assertEquals(disk.list(`${directory}/a`), ["b"]);
    disk.removeDirectory(`${directory}/a`);
    disk.removeDirectory(`${directory}/a`);
    assertEquals(disk.list(directory), []);
    assertThrows(() => disk.openRead(`${directory}/none`), ConvergeError);
    await assertRejects(() => disk.syncDirectory(`${directory}/none`), ConvergeError);
  }));

Deno.test("DenoDisk: no space is disk_full, anything else disk_failed", async () => {
  const disk = new DenoDisk();
  try {
    Deno.statSync("/dev/full");
  } catch {
    console.log("skipped: this system has no /dev/full");
    return;
  }
  const file = disk.openAppend("/dev/full");
  const error = assertThrows(() => file.append(bytes("x")), ConvergeError);
  assertEquals(error.code, "disk_full");
  file.close();
  await inDirectory((directory) => {
    const failed = assertThrows(() => disk.openAppend(directory), ConvergeError);
    assertEquals(failed.code, "disk_failed");
  });
});

Deno.test("DenoDisk: a lock holds against other processes and ends with its own", () =>
  inDirectory(async (directory, disk) => {
    const path = `${directory}/lock`;
    const module = new URL("../../src/platform/deno/deno_disk.ts", import.meta.url);
    const script = `${directory}/holder.ts`;
    Deno.writeTextFileSync(
      script,
      `import { DenoDisk } from ${JSON.stringify(module.href)};
       new DenoDisk().lock(${JSON.stringify(path)});
       console.log("held");
       await Deno.stdin.read(new Uint8Array(1));`,
    );
    const holder = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-lock", "-A", script],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = holder.stdout.getReader();
    assert(new TextDecoder().decode((await reader.read()).value).includes("held"));
    const error = assertThrows(() => disk.lock(path), ConvergeError);
    assert(isConvergeError(error, "data_locked"));
    holder.kill("SIGKILL");
    await holder.status;
    await reader.cancel();
    await holder.stdin.close().catch(() => {});
    const lock = disk.lock(path);
    assertThrows(() => disk.lock(path), ConvergeError, "another process");
    lock.release();
    disk.lock(path).release();
  }));
