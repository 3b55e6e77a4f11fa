import { assert, assertEquals } from "@std/assert";
import { ClientError, type Problem } from "../../../src/client/client_error.ts";
import { nextStep, nextStepOfNode } from "../../../src/cli/output/next_step.ts";
import { ConvergeError, type ErrorCode } from "../../../src/errors.ts";

function answered(status: number, members: object = {}): ClientError {
  const problem: Problem = { type: "urn:x", title: "x", status, ...members };
  return new ClientError("Cannot", { status, problem });
}

Deno.test("nextStep() tells what to do after a request that failed", () => {
  assert(nextStep(new ClientError("Cannot reach it")).includes("converge cluster"));
  assert(nextStep(answered(503, { indeterminate: true })).includes("put it again"));
  assert(nextStep(answered(503, { indeterminate: false })).includes("converge status"));
  const overloaded = answered(503, { type: "urn:converge:problem:overloaded" });
  assert(nextStep(overloaded).includes("logs"), "nobody need be away");
  assert(nextStep(answered(413)).includes("--max-value"));
  assertEquals(nextStep(answered(400)), ""); // its detail names what is wrong
});

Deno.test("nextStepOfNode() tells what to do after a node could not start", () => {
  const step = (code: ErrorCode, cause?: unknown, details = {}) =>
    nextStepOfNode(new ConvergeError(code, "Cannot", { cause, details }));
  assert(step("data_locked").includes("--data"));
  assert(step("wrong_data").includes("--id"));
  assert(step("wrong_data", undefined, { format: 2 }).includes("version"));
  assert(step("disk_full").includes("room"));
  assert(step("disk_failed", new Deno.errors.NotCapable("no")).includes("./data"));
  assertEquals(step("bad_config"), ""); // the option and what it must be are in the words
});
