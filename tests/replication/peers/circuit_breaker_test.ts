import { assert, assertEquals } from "@std/assert";
import { CircuitBreaker } from "../../../src/replication/peers/circuit_breaker.ts";

/** A breaker without jitter: the middle of it. */
function breaker(): CircuitBreaker {
  return new CircuitBreaker({ next: () => 0.5 });
}

Deno.test("CircuitBreaker: closed while all is well", () => {
  const closed = breaker();
  assert(closed.allows(0) && closed.allows(0) && !closed.isOpen(0));
});

Deno.test("CircuitBreaker: open after a failure, then one probe and no more", () => {
  const open = breaker();
  open.failed(1_000);
  assert(open.isOpen(1_000) && !open.allows(1_199));
  assert(!open.isOpen(1_200), "looking does not use up the probe");
  assert(open.allows(1_200));
  assert(!open.allows(1_200), "the second one waits for the probe");
  assert(open.isOpen(1_200));
});

Deno.test("CircuitBreaker: open periods double up to five seconds", () => {
  const open = breaker();
  const periods: number[] = [];
  let nowMs = 0;
  for (let i = 0; i < 40; i++) {
    open.failed(nowMs);
    let waitMs = 0;
    while (open.isOpen(nowMs + waitMs)) waitMs += 50;
    periods.push(waitMs);
    nowMs += waitMs;
  }
  assertEquals(periods.slice(0, 7), [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  assertEquals(periods.at(-1), 5_000);
});

Deno.test("CircuitBreaker: hearing from the peer closes it at once, and forgets the failures", () => {
  const open = breaker();
  for (let i = 0; i < 5; i++) open.failed(0);
  open.succeeded();
  assert(!open.isOpen(0) && open.allows(0) && open.allows(0));
  open.failed(0);
  assert(open.allows(200));
});

Deno.test("CircuitBreaker: jitter spreads the probes", () => {
  const early = new CircuitBreaker({ next: () => 0 });
  const late = new CircuitBreaker({ next: () => 0.999 });
  early.failed(0);
  late.failed(0);
  assert(early.allows(150) && !late.allows(240));
});

Deno.test("CircuitBreaker: a failure of a request older than one that was answered changes nothing", () => {
  const open = breaker();
  open.succeeded(100);
  open.succeeded(70); // came late
  open.failed(800, 80);
  assert(open.allows(800));
  open.failed(900, 150);
  assert(!open.allows(900));
  open.succeeded(); // the peer spoke: that says nothing about requests
  open.failed(1_000, 80);
  assert(open.allows(1_000));
  open.failed(1_000, 120);
  assert(!open.allows(1_000));
});
