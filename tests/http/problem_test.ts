import { assertEquals } from "@std/assert";
import { ConvergeError, type ErrorCode } from "../../src/errors.ts";
import { problemResponse } from "../../src/http/problem.ts";
import { problemOf } from "../support/problems.ts";

Deno.test("problemResponse: the status by which a client decides what to do, and when it is worth trying again", async () => {
  const rows: [code: ErrorCode, status: number, retryAfter: string | null][] = [
    ["bad_request", 400, null],
    ["corrupt_message", 400, null],
    ["forged_message", 401, null],
    ["cross_origin", 403, null],
    ["slow_body", 408, null],
    ["not_removable", 409, null],
    ["value_too_large", 413, null],
    ["misdirected", 421, null],
    ["invariant", 500, null],
    ["corrupt_file", 500, null],
    ["disk_failed", 500, null],
    ["unreachable", 502, null],
    ["quorum_unreachable", 503, null], // it waited for its owners already
    ["overloaded", 503, "1"],
    ["not_ready", 503, "1"],
    ["closed", 503, "1"],
    ["timeout", 504, null],
    ["disk_full", 507, null],
  ];
  for (const [code, status, retryAfter] of rows) {
    const error = new ConvergeError(code, "Cannot do it: it is so", { details: { required: 2 } });
    const answer = problemResponse(error);
    assertEquals(answer.headers.get("retry-after"), retryAfter, code);
    const problem = await problemOf(answer, status, code.replaceAll("_", "-"));
    assertEquals([problem.detail, problem.required], ["Cannot do it: it is so", 2]);
  }
});

Deno.test("problemResponse: an unexpected error tells nothing of what it holds", async () => {
  for (const error of [new TypeError("a secret"), "a secret", { secret: 1 }, undefined]) {
    const answer = problemResponse(error);
    assertEquals(answer.headers.get("retry-after"), null);
    assertEquals(await problemOf(answer, 500, "internal"), {
      type: "urn:converge:problem:internal",
      title: "internal",
      status: 500,
      detail: "Cannot answer: an unexpected error, see the node's log",
    });
  }
});
