/** What clients saw of each key, and whether that keeps the promises. */
import { compareVersions, parseVersion, type Version } from "../../src/record/version.ts";

interface KeyFacts {
  /** The newest version that was acked or read so far: no later read may give an older one. */
  floor: Version | undefined;
  /** Values that were sent, acked or not. */
  written: Set<string>;
  /** Versions of acked deletes. */
  deleted: Version[];
  /** Deletes that may have happened. */
  uncertainDeletes: number;
}

/** Checks operations as they end, with what was known when they began. */
export class KeyHistory {
  readonly violations: string[] = [];
  acked = 0;
  uncertain = 0;
  reads = 0;
  readonly #keys = new Map<string, KeyFacts>();

  get keys(): Iterable<string> {
    return this.#keys.keys();
  }

  /** What a read that begins now may not fall behind. */
  floorOf(key: string): Version | undefined {
    return this.#factsOf(key).floor;
  }

  writing(key: string, value: string): void {
    this.#factsOf(key).written.add(value);
  }

  deleting(key: string): void {
    this.#factsOf(key).uncertainDeletes++;
  }

  ackedWrite(key: string, etag: string): void {
    this.acked++;
    this.#raise(key, versionOf(etag));
  }

  ackedDelete(key: string, etag: string): void {
    this.acked++;
    const facts = this.#factsOf(key);
    facts.uncertainDeletes--;
    facts.deleted.push(versionOf(etag));
    this.#raise(key, versionOf(etag));
  }

  /** A read that began with `floor` gave a value, or absence when `etag` is undefined. */
  read(
    key: string,
    floor: Version | undefined,
    answer: { etag: string; value: string } | undefined,
    where: string,
  ): void {
    this.reads++;
    const facts = this.#factsOf(key);
    if (answer === undefined) {
      const deleted = facts.uncertainDeletes > 0 ||
        facts.deleted.some((version) =>
          floor !== undefined && compareVersions(version, floor) >= 0
        );
      if (floor !== undefined && !deleted) this.#violation(key, where, "is absent", floor);
      return;
    }
    const version = versionOf(answer.etag);
    if (!facts.written.has(answer.value)) this.#violation(key, where, "was never written", floor);
    if (floor !== undefined && compareVersions(version, floor) < 0) {
      this.#violation(key, where, `went back to ${answer.etag}`, floor);
    }
    this.#raise(key, version);
  }

  #raise(key: string, version: Version): void {
    const facts = this.#factsOf(key);
    if (facts.floor === undefined || compareVersions(version, facts.floor) > 0) {
      facts.floor = version;
    }
  }

  #violation(key: string, where: string, what: string, floor: Version | undefined): void {
    this.violations.push(`${key} through ${where} ${what}; known was ${JSON.stringify(floor)}`);
  }

  #factsOf(key: string): KeyFacts {
    let facts = this.#keys.get(key);
    if (facts === undefined) {
      facts = { floor: undefined, written: new Set(), deleted: [], uncertainDeletes: 0 };
      this.#keys.set(key, facts);
    }
    return facts;
  }
}

function versionOf(etag: string): Version {
  return parseVersion(etag.replaceAll('"', ""));
}
