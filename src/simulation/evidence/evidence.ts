/** What the checkers judge: everything that was seen of one run. */
import { formatVersion, type Version } from "../../record/version.ts";
import type { Operation } from "./history.ts";

/** A copy of a key in a node's store after quiescence. */
export interface Copy extends Version {
  readonly tombstone: boolean;
  /** Wall-clock moment from which it reads as absent; 0 or left out: never. */
  readonly expiresAtMs?: number;
  /** Digest of the record's bytes. */
  readonly digest: number;
}

/** A version that was seen on the wire or in an answer, with the content it had there. */
export interface VersionSighting extends Version {
  readonly key: string;
  /** What identifies the content: a digest of the record, or the value itself. */
  readonly content: string;
  readonly where: string;
}

/** A version of a key; a write that is tried again makes one each time. */
export interface Attempt extends Version {
  readonly tombstone: boolean;
  /** When a store was first offered it: before whatever has this place in {@linkcode Operation.begin}. */
  readonly begin: number;
}

/** A node's store said that it has stored a record. */
export interface Storing {
  readonly node: string;
  readonly atMs: number;
}

/** A record that a node's store said was durable and that was not there after a restart. */
export interface BrokenPromise extends Version {
  readonly node: string;
  readonly key: string;
  readonly foundVersion: Version | undefined;
}

/** Power failed at a node that answers before the device has what it answers for. */
export interface PowerFailure {
  readonly node: string;
  readonly atMs: number;
  /** What it had answered for until then is durable. */
  readonly sinceMs: number;
}

/** A stretch in which a node could not be expected to answer in time. */
export interface Disturbance {
  readonly node: string;
  readonly fromMs: number;
  toMs: number;
}

/** A bounded quantity, measured during the run. */
export interface Measurement {
  readonly node: string;
  readonly what: string;
  readonly value: number;
  readonly bound: number;
  readonly atMs: number;
}

/** What a node says of its cluster after quiescence. */
export interface MembershipView {
  readonly node: string;
  /** One text per member that must be equal everywhere: name, origin, status. */
  readonly members: readonly string[];
}

/** Something that a node is to forget by itself, and has not. */
export interface Leftover {
  readonly node: string;
  readonly what: string;
  readonly keys: readonly string[];
}

/** Something that must not happen at all: an answer 500, a rejected promise nobody awaited. */
export interface UnexpectedError {
  readonly where: string;
  readonly message: string;
}

/** Between what a wall clock was, both ends included. */
export interface WallBounds {
  readonly lowMs: number;
  readonly highMs: number;
}

/** All of it. */
export interface Evidence {
  readonly operations: readonly Operation[];
  /** Whether R is a majority of N: any two quorum reads share an owner. */
  readonly readsMeet: boolean;
  /** Copies by key, then by node, of the nodes that are up at the end. */
  readonly copies: ReadonlyMap<string, ReadonlyMap<string, Copy>>;
  /** Names of the owners of a key that are up at the end. */
  readonly owners: (key: string) => readonly string[];
  readonly sightings: readonly VersionSighting[];
  /** By key, then by version as text: all that nodes ever tried to store. */
  readonly attempts: ReadonlyMap<string, ReadonlyMap<string, Attempt>>;
  /** By key and version (`storingId`), in order. */
  readonly storings: ReadonlyMap<string, readonly Storing[]>;
  /** W where the fewest members are that there may have been: it counts for all writes. */
  readonly leastW: number;
  readonly brokenPromises: readonly BrokenPromise[];
  readonly disturbances: readonly Disturbance[];
  /** Milliseconds by which every operation must have been answered. */
  readonly deadlineMs: number;
  /**
   * What the wall clock of a node (undefined: of any) said between two moments of true time.
   */
  readonly wall: (node: string | undefined, fromMs: number, toMs: number) => WallBounds;
  readonly measurements: readonly Measurement[];
  readonly views: readonly MembershipView[];
  /** What was left long after everything healed. */
  readonly leftovers: readonly Leftover[];
  readonly errors: readonly UnexpectedError[];
}

/** A broken guarantee. */
export interface Violation {
  readonly checker: string;
  readonly message: string;
  readonly keys: readonly string[];
  /** Ids of the operations that show it. */
  readonly operations: readonly number[];
}

/** Finds the violations of one guarantee. Pure. */
export type Checker = (evidence: Evidence) => Violation[];

/** What {@linkcode Evidence.storings} are found by. */
export function storingId(key: string, version: Version): string {
  return `${key} ${formatVersion(version)}`;
}
