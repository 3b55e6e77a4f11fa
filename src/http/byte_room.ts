/** Memory that what is under way may take together. */
import { ConvergeError } from "../errors.ts";

/** Counts bytes up to a bound; what comes alone is always taken, however large it is. */
export class ByteRoom {
  readonly #bytesMax: number;
  readonly #refusal: (takenBytes: number) => string;
  #takenBytes = 0;

  /** @param refusal What is said where no more is taken. */
  constructor(bytesMax: number, refusal: (takenBytes: number) => string) {
    this.#bytesMax = bytesMax;
    this.#refusal = refusal;
  }

  /** @throws {ConvergeError} `overloaded`. */
  take(bytes: number): void {
    if (this.#takenBytes > 0 && this.#takenBytes + bytes > this.#bytesMax) {
      throw new ConvergeError("overloaded", this.#refusal(this.#takenBytes));
    }
    this.#takenBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#takenBytes -= bytes;
  }
}
