/** The log on standard error: one JSON object per line, or a readable line on a terminal. */
import type { Log } from "../log.ts";

type Level = "info" | "warn" | "error";
type Fields = Record<string, unknown>;

/** How a {@linkcode DenoLog} writes. */
export interface DenoLogOptions {
  /** Name of the node, in every line; absent for commands that are no node. */
  node?: string | undefined;
  /** Readable lines instead of JSON; default: whether standard error is a terminal. */
  readable?: boolean;
  /** Lowest level that is written. */
  level?: Level;
  /** Where a line (with its line feed) goes; default: standard error. */
  write?: (line: string) => void;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

const RANK: Record<Level, number> = { info: 0, warn: 1, error: 2 };
const encoder = new TextEncoder();

/** A {@linkcode Log} of lines that neither throw nor wait. */
export class DenoLog implements Log {
  readonly #node: string | undefined;
  readonly #readable: boolean;
  readonly #rankMin: number;
  readonly #write: (line: string) => void;
  readonly #now: () => number;

  constructor(options: DenoLogOptions = {}) {
    this.#node = options.node;
    this.#readable = options.readable ?? Deno.stderr.isTerminal();
    this.#rankMin = RANK[options.level ?? "info"];
    this.#write = options.write ?? writeToStderr;
    this.#now = options.now ?? Date.now;
  }

  info(event: string, fields?: Fields): void {
    this.#line("info", event, fields);
  }

  warn(event: string, fields?: Fields): void {
    this.#line("warn", event, fields);
  }

  error(event: string, fields?: Fields): void {
    this.#line("error", event, fields);
  }

  #line(level: Level, event: string, fields: Fields = {}): void {
    if (RANK[level] < this.#rankMin) return;
    const time = new Date(this.#now()).toISOString();
    this.#write(
      this.#readable
        ? readableLine(time, level, this.#node, event, fields)
        : jsonLine({ time, level, node: this.#node, event, ...fields }),
    );
  }
}

function readableLine(
  time: string,
  level: Level,
  node: string | undefined,
  event: string,
  fields: Fields,
): string {
  let line = time.slice(11, 23);
  if (node !== undefined) line += ` ${node}`;
  if (level !== "info") line += ` ${level.toUpperCase()}`;
  line += ` ${event}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    line += ` ${name}=${typeof value === "string" ? value : jsonOf(plain(value))}`;
  }
  return line.replaceAll(/[\r\n]+/g, " ") + "\n";
}

function jsonLine(fields: Fields): string {
  const line: Fields = {};
  for (const [name, value] of Object.entries(fields)) line[name] = plain(value);
  return jsonOf(line) + "\n";
}

/** Errors have no members that JSON would show. */
function plain(value: unknown): unknown {
  if (!(value instanceof Error)) return typeof value === "bigint" ? String(value) : value;
  const code = (value as { code?: unknown }).code;
  return { name: value.name, code, message: value.message, cause: causesOf(value) };
}

function causesOf(error: Error): string | undefined {
  const messages: string[] = [];
  let cause = error.cause;
  while (cause instanceof Error && messages.length < 5) {
    messages.push(cause.message);
    cause = cause.cause;
  }
  return messages.length === 0 ? undefined : messages.join(": ");
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return JSON.stringify(String(value)); // a cycle: a log line must never stop a node
  }
}

function writeToStderr(line: string): void {
  try {
    const bytes = encoder.encode(line);
    let written = 0;
    while (written < bytes.byteLength) written += Deno.stderr.writeSync(bytes.subarray(written));
  } catch {
    // Nobody reads any more (EPIPE), or the file has no room: a node outlives its log. A pipe that is full
    // is waited for, as the runtime cannot ask whether it is.
  }
}
