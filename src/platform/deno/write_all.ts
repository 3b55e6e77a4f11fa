/**
 * Writes all of the bytes where the file's cursor is: one call may write a part of them only.
 *
 * @param onWritten Told how many bytes were written, also where others are not.
 */
export function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array,
  onWritten?: (written: number) => void,
): void {
  let rest = bytes;
  while (rest.byteLength > 0) {
    const written = file.writeSync(rest);
    onWritten?.(written);
    rest = rest.subarray(written);
  }
}
