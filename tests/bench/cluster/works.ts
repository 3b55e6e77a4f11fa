/** The work that is compared, with the ratios that Converge is to reach. */
import type { Load } from "./load.ts";
import type { Part } from "./options.ts";
import { type Target, textOf } from "./target.ts";

/** One kind of work. */
export interface Work {
  part: Part;
  title: string;
  load(target: Target, keyCount: number): Omit<Load, "seconds">;
  /** Ratios of throughput to reach; undefined = only reported. */
  toFloor: number | undefined;
  toEtcd: number | undefined;
}

/** Length of a value in most work. */
export const VALUE_BYTES = 100;
const LARGE_VALUE_BYTES = 10 * 1024;
const PUT_SHARE = 0.05;

const value = textOf(VALUE_BYTES);
const largeValue = textOf(LARGE_VALUE_BYTES);

/** In the order of the report. */
export const WORKS: readonly Work[] = [
  {
    part: "put",
    title: "PUT 100 B, 256 connections to one node",
    load: (target, keyCount) => ({ ...toOne(target, keyCount), request: target.put(value) }),
    toFloor: 0.4,
    toEtcd: 4,
  },
  {
    part: "put3",
    title: "PUT 100 B, 64 connections to each of three nodes",
    load: (target, keyCount) => ({
      ...toOne(target, keyCount),
      // The floor is one process, whichever way it is asked.
      urls: Array.from({ length: 3 }, (_, i) => target.urls[i % target.urls.length]!),
      connections: 192,
      request: target.put(value),
    }),
    toFloor: 0.4,
    toEtcd: 4,
  },
  {
    part: "get",
    title: "GET, R = 2 (etcd: linearizable)",
    load: (target, keyCount) => ({ ...toOne(target, keyCount), request: target.get({}) }),
    toFloor: 0.45,
    toEtcd: 3,
  },
  {
    part: "get1",
    title: "GET, R = 1 (etcd: serializable)",
    load: (target, keyCount) => ({ ...toOne(target, keyCount), request: target.get({ r: 1 }) }),
    toFloor: 0.6,
    toEtcd: 3,
  },
  {
    part: "mixed",
    title: "95 % GET, 5 % PUT, zipfian keys",
    load: (target, keyCount) => ({
      ...toOne(target, keyCount),
      keyOrder: "zipfian",
      request: target.get({}),
      other: { request: target.put(value), share: PUT_SHARE },
    }),
    toFloor: 0.45,
    toEtcd: 3,
  },
  {
    part: "put10k",
    title: "PUT 10 KiB, 64 connections to one node",
    load: (target, keyCount) => ({
      ...toOne(target, keyCount),
      connections: 64,
      request: target.put(largeValue),
    }),
    toFloor: undefined,
    toEtcd: 2,
  },
];

function toOne(target: Target, keyCount: number): Omit<Load, "seconds" | "request"> {
  return { urls: target.urls.slice(0, 1), connections: 256, keyCount, keyOrder: "uniform" };
}
