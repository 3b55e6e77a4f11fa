/**
 * Ports that `fetch` refuses, in browsers and in Deno: the "bad ports" of the Fetch standard. A node
 * behind one listens, and looks well, but no other node, page or command gets through to it.
 */
import { badValue } from "./parse_value.ts";

/** Deno's own list, found by asking for every port. */
// deno-fmt-ignore
export const BARRED_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513,
  514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719,
  1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
  6697, 10080,
]);

/**
 * Checks that others will ask a node at `port`.
 *
 * @param option The flag or variable that names it, as `text`.
 * @throws {ConvergeError} `bad_config` where `fetch` refuses the port.
 */
export function requireOpenPort(option: string, text: string, port: number): void {
  if (!BARRED_PORTS.has(port)) return;
  throw badValue(option, text, `another port: nodes and browsers do not connect to ${port}`);
}
