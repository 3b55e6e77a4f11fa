/** Being told to end by the terminal or the system. */

/** Exit code of a process that was ended by the second Ctrl-C: 128 + SIGINT. */
const INTERRUPTED = 130;

/** A wait for the first signal. */
export interface SignalWait {
  /** Resolves with the first signal's name. */
  readonly received: Promise<string>;
  /** Stops listening. */
  forget(): void;
}

/**
 * Waits for SIGINT or SIGTERM. The first asks for an orderly end; one more SIGINT ends the process
 * at once, for whoever does not want to wait.
 */
export function untilSignal(): SignalWait {
  const { promise, resolve } = Promise.withResolvers<string>();
  let interrupted = false;
  const onInterrupt = () => {
    if (interrupted) Deno.exit(INTERRUPTED);
    interrupted = true;
    resolve("SIGINT");
  };
  const onTerminate = () => resolve("SIGTERM");
  Deno.addSignalListener("SIGINT", onInterrupt);
  // Windows has no SIGTERM to listen to.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onTerminate);
  return {
    received: promise,
    forget() {
      Deno.removeSignalListener("SIGINT", onInterrupt);
      if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGTERM", onTerminate);
    },
  };
}
