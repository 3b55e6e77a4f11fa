/** docs/operations.md tells of every problem that a node answers, with its status. */
import { assert, assertEquals } from "@std/assert";
import { ConvergeError, type ErrorCode } from "../../src/errors.ts";
import { problemOf } from "../../src/http/problem.ts";

const root = new URL("../../", import.meta.url);

/** What ends a node, or is told its own parts: never answered. */
const NOT_ANSWERED: ReadonlySet<string> = new Set([
  ...["bad_config", "data_locked", "wrong_data", "old_copy", "removed", "name_taken"],
  ...["unreachable", "timeout"],
]);

/** Statuses by type. */
async function tableRows(): Promise<Map<string, number>> {
  const text = await Deno.readTextFile(new URL("docs/operations.md", root));
  const rows = text.matchAll(/^\| +(\d{3}) \| ((?:`[a-z-]+`,? ?)+)/gm);
  return new Map(
    [...rows].flatMap(([, status, types]) =>
      [...types!.matchAll(/`([a-z-]+)`/g)].map(([, type]) => [type!, Number(status)] as const)
    ),
  );
}

Deno.test("docs/operations.md: every error that a node answers stands in the table, with its status", async () => {
  const rows = await tableRows();
  const source = await Deno.readTextFile(new URL("src/errors.ts", root));
  const codes = [...source.matchAll(/^ {2}\| "([a-z_]+)"/gm)].map(([, code]) => code as ErrorCode);
  assert(codes.length > 20, `${codes.length}`);
  for (const code of codes.filter((code) => !NOT_ANSWERED.has(code))) {
    const { type, status } = problemOf(new ConvergeError(code, ""));
    assertEquals([code, rows.get(type.split(":").at(-1)!)], [code, status]);
  }
  assertEquals(rows.get("internal"), problemOf(new Error("")).status);
});
