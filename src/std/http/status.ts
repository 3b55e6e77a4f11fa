/**
 * `@std/http/status` by way of npm: the same code, with types of its own beside it.
 *
 * @module
 */

// @ts-types="./status.d.ts"
export * from "npm:deno-std@1.4.0/http/status.js";
