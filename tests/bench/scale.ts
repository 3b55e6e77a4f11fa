/**
 * `deno task bench:scale`: membership and ring with up to 1,000 nodes, the production code without
 * sockets. Writes tables into `docs/benchmarks.md` and plots beside it. About two minutes.
 */
import { replaceSection } from "../../src/tasks/document_section.ts";
import { type GossipFigures, measureGossip } from "./scale/gossip_scale.ts";
import { linePlot } from "./scale/line_plot.ts";
import { measureRing, type RingFigures } from "./scale/ring_scale.ts";

const DOCS = new URL("../../docs/", import.meta.url);
const SIZES = [10, 100, 1_000];
const LOSS_RATES = [0, 0.05, 0.2];

const rings = SIZES.map(measureRing);
console.log("ring done");
const gossip = LOSS_RATES.flatMap((lossRate) =>
  SIZES.map((nodes) => {
    const figures = measureGossip(nodes, lossRate);
    console.log(`gossip among ${nodes} nodes at ${percent(lossRate)} loss done`);
    return figures;
  })
);

Deno.writeTextFileSync(
  new URL("scale-gossip.svg", DOCS),
  linePlot({
    title: "Gossip: rounds until all nodes know of a node that joined",
    points: SIZES.map(String),
    xLabel: "nodes",
    yLabel: "rounds",
    series: LOSS_RATES.map((lossRate) => ({
      name: `${percent(lossRate)} of messages lost`,
      values: gossip.filter((one) => one.lossRate === lossRate).map(({ joinRounds }) => joinRounds),
    })),
  }),
);
Deno.writeTextFileSync(
  new URL("scale-ring.svg", DOCS),
  linePlot({
    title: "Ring: share of keys with a new owner when one node joins",
    points: SIZES.map(String),
    xLabel: "nodes, 100 tokens each",
    yLabel: "%",
    series: [
      { name: "first owner", values: rings.map(({ movedFirst }) => 100 * movedFirst) },
      { name: "any of three", values: rings.map(({ movedAny }) => 100 * movedAny) },
      { name: "fair share", values: rings.map(({ idealFirst }) => 100 * idealFirst) },
    ],
  }),
);
const path = new URL("benchmarks.md", DOCS);
const document = replaceSection(Deno.readTextFileSync(path), "scale", sections());
Deno.writeTextFileSync(path, document);

function sections(): string {
  return [
    "### Gossip",
    "",
    "Rounds of the gossip interval, in which every node sends its view to three others. Bytes are",
    "those of the JSON bodies, both ways.",
    "",
    table(
      [
        "nodes",
        "messages lost",
        "join known to all",
        "bytes per node until then",
        "failure suspected by all",
        "called down by all",
        "bytes per node until then",
        "bytes per node and round",
        "false suspicions",
      ],
      gossip.map(gossipRow),
    ),
    "",
    "![Rounds until a join is known](scale-gossip.svg)",
    "",
    "### Ring",
    "",
    table(
      [
        "nodes",
        "tokens",
        "build",
        "look-up",
        "least / most share",
        "standard deviation",
        "first owner moves at a join",
        "any owner moves",
        "fair share",
      ],
      rings.map(ringRow),
    ),
    "",
    "Shares are parts of the fair share (1 = fair).",
    "",
    "![Share of keys that move](scale-ring.svg)",
  ].join("\n");
}

function gossipRow(figures: GossipFigures): string[] {
  return [
    String(figures.nodes),
    percent(figures.lossRate),
    String(figures.joinRounds),
    bytes(figures.joinBytesPerNode),
    String(figures.suspectRounds),
    String(figures.downRounds),
    bytes(figures.downBytesPerNode),
    bytes(figures.bytesPerNodeRound),
    figures.falseSuspicions === 0 ? "0" : percent(figures.falseSuspicions),
  ];
}

function ringRow(figures: RingFigures): string[] {
  return [
    String(figures.nodes),
    figures.tokens.toLocaleString("en-US"),
    `${figures.buildMs.toFixed(1)} ms`,
    `${Math.round(figures.lookupNs)} ns`,
    `${figures.leastShare.toFixed(2)} / ${figures.mostShare.toFixed(2)}`,
    figures.deviation.toFixed(3),
    percent(figures.movedFirst),
    percent(figures.movedAny),
    percent(figures.idealFirst),
  ];
}

function table(header: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---:")), ...rows.map(line)].join("\n");
}

function bytes(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
