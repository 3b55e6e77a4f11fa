/// <reference lib="dom" />
/** The key explorer: put, get, delete, and what every owner did about it. */
import type { Receipt } from "../../replication/requests/receipt.ts";
import {
  copiesOf,
  type JsonKey,
  keyOfLabel,
  labelOf,
  operate,
  tombstoneOf,
  valueOf,
} from "./api.ts";
import { byId, h, setText } from "./dom.ts";
import { bytes, plural } from "./format.ts";
import { drawCopies, drawReceipt } from "./receipt_view.ts";
import type { RingFigure } from "./ring_view.ts";

/** After so long the slowest owner of a write has usually answered too. */
const SETTLE_MS = 250;

/** The form and what came of it. */
export class Explorer {
  readonly #ring: RingFigure;
  readonly #colourOf: (name: string) => number;
  readonly #onWritten: () => void;
  readonly #key = byId<HTMLInputElement>("key");
  readonly #value = byId<HTMLTextAreaElement>("value");
  readonly #result = byId("result");
  /** Counts requests: an answer that was overtaken is not shown. */
  #latest = 0;

  /** @param onWritten Called when a key was stored or deleted. */
  constructor(ring: RingFigure, colourOf: (name: string) => number, onWritten: () => void) {
    this.#ring = ring;
    this.#colourOf = colourOf;
    this.#onWritten = onWritten;
    // What Enter does behind a key: a read, since a put would store the empty value field over it.
    byId("explorer").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run("GET");
    });
    byId("put").addEventListener("click", () => void this.#run("PUT"));
    byId("delete").addEventListener("click", () => void this.#run("DELETE"));
  }

  /** Shows a key that was chosen elsewhere. */
  open(key: JsonKey): void {
    this.#key.value = labelOf(key);
    void this.#run("GET");
    byId("explorer-title").scrollIntoView({ block: "nearest" });
  }

  async #run(method: "PUT" | "GET" | "DELETE"): Promise<void> {
    const key = keyOfLabel(this.#key.value);
    if (key === undefined || ("k" in key && key.k === "")) {
      const why = key === undefined
        ? "Behind base64: there is none"
        : "A key has at least one byte: type one first";
      this.#say(why, "bad");
      return this.#key.focus();
    }
    const turn = ++this.#latest;
    const answer = await operate(method, key, this.#value.value);
    if (method !== "GET" && answer.ok) this.#onWritten();
    if (turn !== this.#latest) return;
    const { receipt } = answer;
    if (receipt !== undefined) this.#show(receipt);
    if (!answer.ok) {
      const doubt = receipt?.indeterminate ? ". It may be stored all the same" : "";
      this.#say((answer.problem ?? "Failed") + doubt, "bad");
      if (receipt !== undefined) await this.#showCopies(key, turn);
      return;
    }
    if (method === "GET") await this.#showValue(key, receipt!, turn);
    else await this.#showWrite(method, key, receipt!, turn);
  }

  async #showWrite(
    method: "PUT" | "DELETE",
    key: JsonKey,
    receipt: Receipt,
    turn: number,
  ): Promise<void> {
    const stored = receipt.owners.filter(({ outcome }) => outcome === "stored").length;
    const what = method === "PUT" ? "Stored" : "Deleted";
    this.#say(`${what}: on the disks of ${plural(stored, "owner")} when it was answered`, "good");
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await this.#showCopies(key, turn);
    if (method === "DELETE") await this.#showConfirmations(key, receipt, turn);
  }

  async #showValue(key: JsonKey, receipt: Receipt, turn: number): Promise<void> {
    const value = await valueOf(key);
    await this.#showCopies(key, turn);
    if (turn !== this.#latest) return;
    if (value === undefined) {
      this.#say(receipt.version === undefined ? "No value" : "No value: it was deleted", "");
      return;
    }
    this.#say(
      `${bytes(value.bytes)} of ${value.contentType || "application/octet-stream"}`,
      "good",
    );
    byId("copies").prepend(h("pre", { class: "value mono", tabindex: "0" }, value.text));
  }

  async #showCopies(key: JsonKey, turn: number): Promise<void> {
    const copies = await copiesOf(key);
    if (turn !== this.#latest || copies === undefined) return;
    drawCopies(byId("copies"), copies, this.#colourOf);
  }

  async #showConfirmations(key: JsonKey, receipt: Receipt, turn: number): Promise<void> {
    // Only an owner can tell.
    if (!receipt.owners.some(({ name }) => name === receipt.coordinator)) return;
    const report = await tombstoneOf(key);
    if (turn !== this.#latest || report === undefined) return;
    const confirmed = report.owners.filter((owner) => owner.confirmed).length;
    byId("copies").append(
      h(
        "p",
        { class: "note" },
        `Tombstone confirmed by ${confirmed} of ${report.owners.length} owners`,
      ),
    );
  }

  #show(receipt: Receipt): void {
    drawReceipt(byId("receipt"), receipt, this.#colourOf);
    byId("copies").replaceChildren();
    const owners = receipt.owners.map(({ name }) => name);
    this.#ring.showKey(receipt.token, owners);
    this.#ring.play(receipt);
    const label = labelOf(receipt.key);
    const short = label.length > 48 ? `${label.slice(0, 47)}…` : label;
    setText(byId("ring-note"), `“${short}” belongs to ${owners.join(", ")}`);
  }

  #say(text: string, look: string): void {
    setText(this.#result, text);
    this.#result.className = `result ${look}`;
  }
}
