/** What the tests of faults, damage and starts have in common. */
import { assertEquals } from "@std/assert";
import type { LsmStore } from "../../src/storage/lsm_store.ts";
import { put } from "./store_conformance.ts";
import { DIRECTORY, type VirtualStore } from "./virtual_store.ts";

export const KEYS = ["a", "b", "c", 'd"\\', "é"];

/** Stores a value under each of {@linkcode KEYS}. */
export async function applyAll(store: LsmStore, counter: number, padding = ""): Promise<void> {
  for (const key of KEYS) {
    const value = `${key}@${counter}${padding}`;
    assertEquals(await store.apply([put(key, counter, { value })]), ["stored"]);
  }
}

/** `target` with some methods replaced. */
export function forwarding<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get: (object, name) => {
      if (name in replaced) return replaced[name as keyof T];
      const member = Reflect.get(object, name, object);
      return typeof member === "function" ? member.bind(object) : member;
    },
  });
}

/** Gives each of two files the name of the other. */
export function swapFiles(subject: VirtualStore, one: string, two: string): void {
  const disk = subject.device.mount();
  disk.rename(one, `${DIRECTORY}/aside`);
  disk.rename(two, one);
  disk.rename(`${DIRECTORY}/aside`, two);
}
