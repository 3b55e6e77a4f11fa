/** Randomness as a value that is passed in: seeded in simulation. */
export interface Random {
  /** A float in [0, 1). */
  next(): number;
}

/** A uniform integer in [0, bound). */
export function randomInteger(random: Random, bound: number): number {
  return Math.floor(random.next() * bound);
}

/** A uniform float in [least, most). */
export function randomBetween(random: Random, [least, most]: readonly [number, number]): number {
  return least + (most - least) * random.next();
}

/** One of `items`, which are not empty, each as likely as any other. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[randomInteger(random, items.length)]!;
}

/** `length` random lower-case hexadecimal digits. */
export function randomHex(random: Random, length: number): string {
  let digits = "";
  for (let i = 0; i < length; i++) digits += randomInteger(random, 16).toString(16);
  return digits;
}

/** A new array with the elements of `items` in random order (Fisher-Yates). */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomInteger(random, i + 1);
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
