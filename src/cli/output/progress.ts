/** A progress bar for long work, on a terminal only. */
import cliProgress from "cli-progress";

/** How far the work has come. */
export interface Progress {
  /** `done` of the total given at the start; `note` stands behind the bar. */
  update(done: number, note: string): void;
  stop(): void;
}

/** A bar on standard error, or nothing where that is no terminal or the total is unknown. */
export function startProgress(total: number | undefined): Progress {
  if (total === undefined || !Deno.stderr.isTerminal()) {
    return { update() {}, stop() {} };
  }
  const bar = new cliProgress.SingleBar({
    format: "{bar} {percentage} %  {note}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    // The terminal stays as it is: a signal ends the program without a word to it.
    hideCursor: false,
    linewrap: true,
    clearOnComplete: true,
  });
  bar.start(total, 0, { note: "" });
  return {
    update: (done, note) => bar.update(done, { note }),
    stop: () => bar.stop(),
  };
}
