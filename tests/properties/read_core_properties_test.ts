/**
 * Strategy: one to five owners, of whom some do not count, any R. Each owner really holds a version
 * or nothing; a run is any interleaving of owners that answer, refuse, time out, answer after all,
 * take a newer write in between, and carry out or lose the repairs that the core asks for.
 *
 * Invariants:
 * - `done` only if R distinct owners that count really hold the version that is answered or a newer
 *   one, at that moment (and R of them said so: nothing is answered on a guess);
 * - the answer is the newest among all that was said; absence only if all who answered lack the key;
 * - only an owner that is known to be behind is repaired, with each version once;
 * - when all has been answered, repairs included, the core does not wait;
 * - `failed` only if R owners that count can no longer hold the newest version.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { compareVersions, type Version } from "../../src/record/version.ts";
import { type ReadAnswer, ReadCore } from "../../src/replication/quorum/read_core.ts";

type Step =
  | { do: "answer" | "write" | "repair"; pick: number }
  | { do: "error"; pick: number; error: "refused" | "timeout" | "overloaded" }
  | { do: "loseRepair"; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("answer" as const, "repair" as const),
      pick: fc.nat(20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("write" as const), pick: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("loseRepair" as const), pick: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("error" as const),
      pick: fc.nat(20),
      error: fc.constantFrom("refused" as const, "timeout" as const, "overloaded" as const),
    }),
  },
);

const scenario = fc.integer({ min: 1, max: 5 }).chain((n) =>
  fc.record({
    counts: fc.array(fc.boolean(), { minLength: n, maxLength: n }),
    quorum: fc.integer({ min: 1, max: n }),
    held: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: n, maxLength: n }),
    steps: fc.array(step, { maxLength: 30 }),
  })
);

const versionOf = (counter: number): Version => ({ counter, nodeID: "a.1" });

/** A read and the owners that it talks to. */
class Run {
  readonly core: ReadCore;
  readonly said: (ReadAnswer | undefined)[];
  readonly #held: number[];
  readonly #counts: readonly boolean[];
  readonly #quorum: number;
  /** Repairs under way. */
  #repairs: { owner: number; counter: number }[] = [];
  readonly #repairsSent = new Set<string>();
  /** Repairs whose answer never came: whatever the owner holds by now, the core cannot know. */
  readonly #repairsLost = new Set<string>();
  over = false;

  constructor(counts: readonly boolean[], quorum: number, held: readonly number[]) {
    this.core = new ReadCore(counts, quorum);
    this.#counts = counts;
    this.#quorum = quorum;
    this.#held = [...held];
    this.said = counts.map(() => undefined);
  }

  get idle(): boolean {
    return this.#repairs.length === 0;
  }

  answer(owner: number): void {
    const counter = this.#held[owner]!;
    this.#say(owner, counter === 0 ? "absent" : versionOf(counter));
  }

  error(owner: number, error: "refused" | "timeout" | "overloaded"): void {
    this.#say(owner, error);
  }

  /** Another client's write reaches this owner. */
  write(owner: number): void {
    this.#held[owner]!++;
  }

  settleRepair(pick: number, lost: boolean): void {
    const [repair] = this.#repairs.splice(pick % this.#repairs.length, 1);
    if (repair === undefined) return;
    const { owner, counter } = repair;
    if (lost) this.#repairsLost.add(`${owner} ${counter}`);
    else this.#held[owner] = Math.max(this.#held[owner]!, counter);
    this.core.repaired(owner, versionOf(counter), lost ? undefined : versionOf(this.#held[owner]!));
  }

  #say(owner: number, answer: ReadAnswer): void {
    const before = this.said[owner];
    if (before !== "absent" && typeof before !== "object") this.said[owner] = answer;
    this.core.answer(owner, answer);
  }

  /** Lets the core decide, and holds the decision to the truth. */
  decide(): void {
    if (this.over) return;
    const decision = this.core.decide();
    const newest = Math.max(0, ...this.said.map((a) => typeof a === "object" ? a.counter : 0));
    const counting = (holds: (owner: number) => boolean) =>
      this.#counts.filter((countsHere, owner) => countsHere && holds(owner)).length;
    if (decision.action === "repair") {
      assert(decision.owners.length > 0);
      for (const owner of decision.owners) {
        const said = this.said[owner];
        assert(said === "absent" || typeof said === "object", "not heard from");
        assert(said === "absent" || compareVersions(said, versionOf(newest)) < 0, "not behind");
        assert(!this.#repairsSent.has(`${owner} ${newest}`), "repaired twice");
        this.#repairsSent.add(`${owner} ${newest}`);
        this.#repairs.push({ owner, counter: newest });
      }
      return this.decide();
    }
    if (decision.action === "done") {
      this.over = true;
      assert(
        counting((o) => this.said[o] === "absent" || typeof this.said[o] === "object") >=
          this.#quorum,
      );
      if (decision.from === undefined) return assertEquals(newest, 0);
      assertEquals(this.said[decision.from], versionOf(newest));
      assert(counting((o) => this.#held[o]! >= newest) >= this.#quorum, "answered on a guess");
    }
    if (decision.action === "failed") {
      this.over = true;
      const hopeless = (o: number) =>
        typeof this.said[o] === "string" && this.said[o] !== "absent" ||
        this.#repairsLost.has(`${o} ${newest}`) ||
        this.#repairsSent.has(`${o} ${newest}`) && this.#held[o]! < newest;
      assert(counting((o) => !hopeless(o)) < this.#quorum, "gave up too early");
    }
  }
}

Deno.test("ReadCore: every order of answers, writes, repairs and errors for up to five owners", () => {
  fc.assert(
    fc.property(scenario, ({ counts, quorum, held, steps }) => {
      const run = new Run(counts, quorum, held);
      run.decide();
      for (const step of steps) {
        if (run.over) return;
        const owner = step.pick % counts.length;
        if (step.do === "answer") run.answer(owner);
        else if (step.do === "write") run.write(owner);
        else if (step.do === "error") run.error(owner, step.error);
        else if (!run.idle) run.settleRepair(step.pick, step.do === "loseRepair");
        run.decide();
      }
      counts.forEach((_, owner) => {
        if (run.said[owner] === undefined) run.error(owner, "timeout");
      });
      run.decide();
      while (!run.over && !run.idle) {
        run.settleRepair(0, false);
        run.decide();
      }
      assert(run.over, "waits for nothing");
    }),
    { numRuns: 5_000 },
  );
});
