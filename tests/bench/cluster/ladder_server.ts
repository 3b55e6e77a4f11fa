/**
 * A server for each step of the way from the floor to Converge, see `ladder.ts`: each does what the one
 * before does, and one thing more. What it keeps it never gives back.
 *
 * Usage: `ladder_server.ts <step> <port> <directory> [<port of a peer> ...]`; without peers it is one.
 */
import { join } from "@std/path";
// @ts-types="@types/ws"
import { WebSocket as PeerWebSocket } from "ws";
import { type KeyHandler, keyHandler } from "../../../src/http/kv_routes.ts";
import { DenoClock } from "../../../src/platform/deno/deno_clock.ts";
import { DenoDisk } from "../../../src/platform/deno/deno_disk.ts";
import { Gathering } from "../../../src/platform/gathering.ts";
import { joinBytes } from "../../../src/record/join_bytes.ts";
import { type Key, keyFromPath } from "../../../src/record/key.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { decodeFrames, encodeRecord } from "../../../src/record/record_line.ts";
import { formatVersion } from "../../../src/record/version.ts";
import type { Coordinator } from "../../../src/replication/requests/coordinator.ts";
import type { WriteOptions } from "../../../src/replication/requests/write_operation.ts";
import { LsmStore } from "../../../src/storage/lsm_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { LADDER, type Step } from "./ladder_steps.ts";

/** Zeros that are written over and over: an append to a log that never grows. */
const LOG_BYTES = 64 * 1024 * 1024;
/** As in Converge: this node and one of two peers. */
const QUORUM = 2;
/** As in the lanes to peers. */
const BATCH_ENTRIES_MAX = 1024;
const MAX_VALUE_BYTES = 64 * 1024 * 1024;
const NODE_ID = "node1.4f2a";

/** A write and who waits for it. */
interface Waiting {
  readonly frame: Uint8Array;
  /** What is in the frame, where it was encoded. */
  readonly record: StoredRecord | undefined;
  /** Nodes that are still to keep it. */
  missing: number;
  done(): void;
}

/** Makes a batch durable, here or elsewhere. */
type Keep = (batch: readonly Waiting[]) => Promise<void>;

/** What this process has of its own. */
interface Keeper {
  keep: Keep;
  /** Keeps what came from elsewhere. */
  keepFrames(frames: Uint8Array): Promise<void>;
}

/** Where what waits gathers; a batch leaves when the one before was kept, on a busy thread a little later. */
class Lane {
  readonly #keep: Keep;
  readonly #gathering = new Gathering(clock);
  #queue: Waiting[] = [];
  #isBusy = false;

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  push(waiting: Waiting): void {
    this.#queue.push(waiting);
    if (!this.#isBusy) void this.#send();
  }

  async #send(): Promise<void> {
    this.#isBusy = true;
    await undefined;
    while (this.#queue.length > 0) {
      if (this.#gathering.isWorthIt) await this.#gathering.gather(this.#fill);
      this.#gathering.left();
      const batch = this.#queue;
      this.#queue = [];
      await this.#keep(batch);
      for (const waiting of batch) if (--waiting.missing === 0) waiting.done();
    }
    this.#isBusy = false;
  }

  readonly #fill = (): number => this.#queue.length / BATCH_ENTRIES_MAX;
}

const [stepName, port, directory, ...peerPorts] = Deno.args;
const level = LADDER.findIndex(({ step }) => step === stepName);
const reaches = (step: Step) => level >= LADDER.findIndex((other) => other.step === step);

const clock = new DenoClock();
const own = reaches("engine") ? await engineIn(directory!) : logIn(directory!);
const peers = await Promise.all(peerPorts.map(peerAt));
const lanes = [own.keep, ...peers].map((keep) => new Lane(keep));
const quorum = Math.min(QUORUM, lanes.length);
let counter = 0;

/** Resolves once enough nodes have kept it. */
function store(frame: Uint8Array, record?: StoredRecord): Promise<void> {
  return new Promise((resolve) => {
    const waiting = { frame, record, missing: quorum, done: resolve };
    for (const lane of lanes) lane.push(waiting);
  });
}

function encoded(key: Key, value: Uint8Array | undefined, contentType?: string): StoredRecord {
  counter++;
  return encodeRecord({ key, value, contentType, counter, nodeID: NODE_ID });
}

const handlers: Record<Step, KeyHandler> = {
  log: raw,
  peers: raw,
  record,
  engine: record,
  handler: keyHandler({
    // All of it that is used here.
    coordinator: {
      checkedQuorum: (_name: string, quorum: number | undefined) => quorum,
      async write(key: Key, value: Uint8Array | undefined, { contentType }: WriteOptions) {
        const written = encoded(key, value, contentType);
        await store(written.frame, written);
        return { record: written };
      },
    } as unknown as Coordinator,
    clock,
    isStopping: () => false,
    maxValueBytes: MAX_VALUE_BYTES,
  }),
};

async function raw(request: Request): Promise<Response> {
  await store(new Uint8Array(await request.arrayBuffer()));
  return new Response(null, { status: 204 });
}

async function record(request: Request): Promise<Response> {
  const { url, headers } = request;
  const contentType = headers.get("content-type") ?? undefined;
  const value = new Uint8Array(await request.arrayBuffer());
  const key = keyFromPath(url.slice(url.indexOf("/kv/") + "/kv/".length));
  const written = encoded(key, value, contentType);
  await store(written.frame, written);
  return new Response(null, { status: 204, headers: { etag: `"${formatVersion(written)}"` } });
}

function framesOf(batch: readonly Waiting[]): Uint8Array<ArrayBuffer> {
  return joinBytes(batch.map(({ frame }) => frame));
}

function logIn(directory: string): Keeper {
  const log = Deno.openSync(join(directory, `log-${port}`), { write: true, create: true });
  log.writeSync(new Uint8Array(LOG_BYTES));
  log.syncSync();
  let at = LOG_BYTES;
  const keepFrames = async (frames: Uint8Array) => {
    at += frames.byteLength;
    if (at > LOG_BYTES) at = log.seekSync(0, Deno.SeekMode.Start) + frames.byteLength;
    log.writeSync(frames);
    await log.syncData();
  };
  return { keep: (batch) => keepFrames(framesOf(batch)), keepFrames };
}

async function engineIn(directory: string): Promise<Keeper> {
  const disk = new DenoDisk();
  const opened = await LsmStore.open({ directory: join(directory, `store-${port}`), clock, disk });
  const apply = async (records: readonly StoredRecord[]) => {
    await opened.apply(records.map((record) => ({ keyspace: DATA, record })));
  };
  return {
    keep: (batch) => apply(batch.map(({ record }) => record!)),
    keepFrames: (frames) => apply(decodeFrames(frames)),
  };
}

/** A peer's store: one batch at a time goes there, and its answer is empty. The socket is that of Converge. */
async function peerAt(port: string): Promise<Keep> {
  const socket = new PeerWebSocket(`ws://127.0.0.1:${port}/peer`, { perMessageDeflate: false });
  await new Promise((resolve) => socket.once("open", resolve));
  return (batch) => {
    socket.send(framesOf(batch));
    return new Promise((resolve) => socket.once("message", () => resolve()));
  };
}

function takePeer(request: Request): Response {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onmessage = async ({ data }) => {
    await own.keepFrames(new Uint8Array(data));
    socket.send("");
  };
  return response;
}

const handler = handlers[LADDER[level]!.step];
Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen() {} }, (request) => {
  if (request.method === "GET") {
    return request.url.endsWith("/peer") ? takePeer(request) : new Response();
  }
  return handler(request);
});
