/** Where things lie on the drawn ring. Angles in radians, clockwise from the top; sizes in SVG units. */

/** Side of the drawing. */
export const SIZE = 440;
/** Middle of the drawing. */
export const CENTER = SIZE / 2;
/** Radius of the ring itself. */
export const RING_RADIUS = 196;
/** Radius of the circle on which the nodes stand. */
const NODE_RADIUS = 112;

/** A position in the drawing. */
export interface Place {
  x: number;
  y: number;
}

/** The place at an angle and radius. */
export function placeAt(angle: number, radius: number): Place {
  return { x: CENTER + radius * Math.sin(angle), y: CENTER - radius * Math.cos(angle) };
}

/** The angle of a token of 16 hex digits. Its first 32 bits are finer than any screen. */
export function angleOf(token: string): number {
  return parseInt(token.slice(0, 8), 16) / 2 ** 32 * 2 * Math.PI;
}

/** The place of node `i` of `count`. */
export function placeOfNode(i: number, count: number): Place {
  return placeAt(2 * Math.PI * i / count, count === 1 ? 0 : NODE_RADIUS);
}

/**
 * One SVG path per node with all arcs that it is first owner of.
 *
 * @param tokens Last token of each arc, ascending.
 * @param owners Position of each arc's first owner.
 */
export function arcPaths(
  tokens: readonly string[],
  owners: readonly number[],
  nodes: number,
): string[] {
  const paths: string[] = Array.from({ length: nodes }, () => "");
  if (tokens.length === 0) return paths;
  if (nodes === 1) return [circlePath()];
  let start = angleOf(tokens.at(-1)!) - 2 * Math.PI;
  tokens.forEach((token, i) => {
    const end = angleOf(token);
    const owner = owners[i]!;
    // Neighbouring arcs of one node become one.
    if (owners[i + 1] === owner) return;
    paths[owner] += arcPath(start, end);
    start = end;
  });
  return paths;
}

function arcPath(start: number, end: number): string {
  const from = placeAt(start, RING_RADIUS);
  const to = placeAt(end, RING_RADIUS);
  const large = end - start > Math.PI ? 1 : 0;
  return `M${round(from)}A${RING_RADIUS} ${RING_RADIUS} 0 ${large} 1 ${round(to)}`;
}

function circlePath(): string {
  const half = `A${RING_RADIUS} ${RING_RADIUS} 0 1 1 `;
  const [top, bottom] = [placeAt(0, RING_RADIUS), placeAt(Math.PI, RING_RADIUS)];
  return `M${round(top)}${half}${round(bottom)}${half}${round(top)}`;
}

function round({ x, y }: Place): string {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}
