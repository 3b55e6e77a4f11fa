/**
 * The parts of `@std/http` that this project needs. Single files of the npm build: its `mod.js`
 * does not load, for its file server imports files that are not in the package.
 *
 * @module
 */

export * from "./etag.ts";
export * from "./server_sent_event_stream.ts";
export * from "./status.ts";
