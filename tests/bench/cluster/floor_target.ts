/** The floor as a target: see `floor_server.ts`. */
import { fromFileUrl } from "@std/path";
import { freePorts } from "../../cluster/harness.ts";
import { ServerProcess } from "./server_process.ts";
import { plainGet, plainPut, type RequestTemplate, type Target } from "./target.ts";

/** One process of a bare `Deno.serve`. */
export class FloorTarget implements Target {
  readonly name = "floor";
  readonly urls: readonly string[];
  readonly #process: ServerProcess;

  private constructor(url: string, process: ServerProcess) {
    this.urls = [url];
    this.#process = process;
  }

  static async start(cwd: string): Promise<FloorTarget> {
    const [port] = freePorts(1);
    const script = fromFileUrl(import.meta.resolve("./floor_server.ts"));
    const process = new ServerProcess({
      command: Deno.execPath(),
      args: ["run", "--no-prompt", "--allow-net", script, `${port}`, "100"],
      cwd,
    });
    const url = `http://127.0.0.1:${port}`;
    await process.answers(url);
    return new FloorTarget(url, process);
  }

  get pids(): number[] {
    return [this.#process.pid];
  }

  put(value: string): RequestTemplate {
    return plainPut(value);
  }

  get(): RequestTemplate {
    return plainGet();
  }

  async preload(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }
}
