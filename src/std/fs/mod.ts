/**
 * The few functions of `@std/fs` that this project needs, over `Deno.*`: the npm build of the
 * standard library has no `fs`. Names, parameters and results are those of the official package.
 *
 * @module
 */

export * from "./ensure_dir.ts";
export * from "./exists.ts";
export * from "./walk.ts";
