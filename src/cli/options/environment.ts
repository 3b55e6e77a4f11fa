/** Variables of the environment, where the program may read them. */

/** The value of a variable, or undefined; also where the permission to look is missing. */
export function environment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
