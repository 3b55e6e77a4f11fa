/** Nodes in Workers of this process: each on a thread of its own, with a socket of its own. */
import { ConvergeError } from "../../errors.ts";
import { originOf } from "../options/listen_address.ts";
import type { NodeSettings } from "../options/node_options.ts";
import type { FailureCode, FromWorker, ToWorker } from "./worker_messages.ts";

/** An orderly stop that takes longer is turned into a kill. */
const STOP_MS = 15_000;

/** What a node of the cluster is doing. */
export type NodeState = "starting" | "running" | "paused" | "stopping" | "stopped" | "failed";

/** How one node stands. */
export interface NodeStatus {
  name: string;
  url: string;
  state: NodeState;
  /** Why it failed. */
  reason?: string;
}

/** How the cluster stands. */
export interface ClusterStatus {
  nodes: NodeStatus[];
  /** Pairs of names between which nothing gets through. */
  cuts: [string, string][];
}

/** What can be done to a node. */
export const NODE_ACTIONS = ["start", "stop", "kill", "pause", "resume", "restart"] as const;
/** One of {@linkcode NODE_ACTIONS}. */
export type NodeAction = (typeof NODE_ACTIONS)[number];

interface Member {
  readonly name: string;
  readonly url: string;
  readonly settings: NodeSettings;
  /** Invariant: one 32-bit integer, 1 exactly while the state is "paused". */
  readonly gate: Int32Array<SharedArrayBuffer>;
  state: NodeState;
  reason?: string | undefined;
  failureCode: FailureCode;
  /** Invariant: undefined exactly while the state is "stopped" or "failed". */
  worker?: Worker | undefined;
  /** How many Workers it has had. */
  launches: number;
  /** Settles when the start or stop under way has ended, well or not. */
  change: PromiseWithResolvers<void>;
}

/** How to make a {@linkcode LocalCluster}. */
export interface LocalClusterOptions {
  /** URL of the entry that runs a node when it is loaded as a Worker named after it. */
  entry: string;
  /** Settings of each node; `id` and `port` are given. */
  nodes: NodeSettings[];
  controlUrl: string;
  /** Told of every change of a node's state. */
  onChange(status: NodeStatus): void;
}

/** Starts, stops, kills, pauses and cuts off nodes. Every method is safe to call at any time. */
export class LocalCluster {
  readonly #members: Member[];
  readonly #entry: string;
  readonly #controlUrl: string;
  readonly #onChange: (status: NodeStatus) => void;
  /** Pairs in the order of the members, as `a b`. */
  readonly #cuts = new Set<string>();

  constructor(options: LocalClusterOptions) {
    this.#entry = options.entry;
    this.#controlUrl = options.controlUrl;
    this.#onChange = options.onChange;
    this.#members = options.nodes.map((settings) => ({
      name: settings.id ?? `node-${settings.port}`,
      url: originOf(settings.host, settings.port),
      settings,
      gate: new Int32Array(new SharedArrayBuffer(4)),
      state: "stopped",
      failureCode: "not_ready",
      launches: 0,
      change: settled(),
    }));
  }

  status(): ClusterStatus {
    return {
      nodes: this.#members.map(statusOf),
      cuts: [...this.#cuts].map((pair) => pair.split(" ") as [string, string]),
    };
  }

  /** Does `action` to a node and resolves once it took effect. What already holds is no error. */
  async act(name: string, action: NodeAction): Promise<void> {
    const member = this.#member(name);
    switch (action) {
      case "start":
        return await this.#start(member);
      case "stop":
        return await this.#stop(member);
      case "kill":
        return this.#kill(member);
      case "pause":
        return this.#pause(member);
      case "resume":
        return this.#resume(member);
      case "restart":
        await this.#stop(member);
        return await this.#start(member);
    }
  }

  /** Cuts (or mends) the link between two nodes, in both directions. */
  link(a: string, b: string, action: "cut" | "heal"): void {
    const names = [this.#member(a).name, this.#member(b).name].sort();
    if (names[0] === names[1]) {
      throw new ConvergeError("bad_request", `Cannot ${action} a link from ${a} to itself`);
    }
    if (action === "cut") this.#cuts.add(names.join(" "));
    else this.#cuts.delete(names.join(" "));
    for (const member of this.#members) this.#sendCuts(member);
  }

  /** Starts every node. */
  async startAll(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#start(member)));
  }

  /** Stops every node in an orderly way. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#stop(member)));
  }

  #member(name: string): Member {
    const member = this.#members.find((candidate) => candidate.name === name);
    if (member !== undefined) return member;
    const names = this.#members.map((candidate) => candidate.name).join(", ");
    throw new ConvergeError("bad_request", `Cannot find node ${JSON.stringify(name)} in ${names}`);
  }

  async #start(member: Member): Promise<void> {
    if (member.state === "stopping") await member.change.promise;
    if (member.state === "paused") this.#resume(member);
    if (member.worker === undefined) this.#launch(member);
    await member.change.promise;
    if (member.state === "failed") {
      throw new ConvergeError(member.failureCode, `Cannot start ${member.name}: ${member.reason}`);
    }
  }

  #launch(member: Member): void {
    const worker = new Worker(this.#entry, { type: "module", name: member.name });
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      // A Worker that was replaced has nothing to say any more.
      if (member.worker === worker) this.#hear(member, data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (member.worker !== worker) return;
      member.failureCode = "not_ready";
      this.#end(member, "failed", event.message);
    };
    member.worker = worker;
    member.launches++;
    member.change = Promise.withResolvers();
    Atomics.store(member.gate, 0, 0);
    this.#enter(member, "starting");
  }

  #order(member: Member): void {
    this.#send(member, {
      type: "start",
      settings: member.settings,
      controlUrl: this.#controlUrl,
      gate: member.gate.buffer,
      isSuccessor: member.launches > 1,
    });
    this.#sendCuts(member);
  }

  async #stop(member: Member): Promise<void> {
    if (member.state === "starting") await member.change.promise;
    if (member.worker === undefined) return;
    this.#resume(member);
    if (member.state === "running") {
      member.change = Promise.withResolvers();
      this.#enter(member, "stopping");
      this.#send(member, { type: "stop" });
    }
    const timer = setTimeout(() => this.#kill(member), STOP_MS);
    await member.change.promise;
    clearTimeout(timer);
  }

  #kill(member: Member): void {
    member.worker?.terminate();
    this.#openGate(member);
    if (member.worker !== undefined) this.#end(member, "stopped");
  }

  #pause(member: Member): void {
    if (member.state === "paused") return;
    if (member.state !== "running") {
      throw new ConvergeError("bad_request", `Cannot pause ${member.name}: it is ${member.state}`);
    }
    Atomics.store(member.gate, 0, 1);
    this.#send(member, { type: "pause" });
    this.#enter(member, "paused");
  }

  #resume(member: Member): void {
    if (member.state !== "paused") return;
    this.#openGate(member);
    this.#enter(member, "running");
  }

  #openGate(member: Member): void {
    Atomics.store(member.gate, 0, 0);
    Atomics.notify(member.gate, 0);
  }

  #hear(member: Member, message: FromWorker): void {
    switch (message.type) {
      case "loaded":
        return this.#order(member);
      case "ready":
        this.#enter(member, "running");
        return member.change.resolve();
      case "stopped":
        return this.#end(member, "stopped");
      case "failed":
        member.failureCode = message.code;
        return this.#end(member, "failed", message.message);
    }
  }

  #end(member: Member, state: "stopped" | "failed", reason?: string): void {
    member.worker?.terminate();
    member.worker = undefined;
    member.reason = reason;
    this.#enter(member, state);
    member.change.resolve();
  }

  #enter(member: Member, state: NodeState): void {
    member.state = state;
    if (state !== "failed") member.reason = undefined;
    this.#onChange(statusOf(member));
  }

  #sendCuts(member: Member): void {
    const cutOff = (other: Member) => this.#cuts.has([member.name, other.name].sort().join(" "));
    const origins = this.#members.filter(cutOff).map((other) => other.url);
    this.#send(member, { type: "cut", origins });
  }

  #send(member: Member, message: ToWorker): void {
    member.worker?.postMessage(message);
  }
}

function statusOf({ name, url, state, reason }: Member): NodeStatus {
  return reason === undefined ? { name, url, state } : { name, url, state, reason };
}

function settled(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>();
  resolvers.resolve();
  return resolvers;
}
