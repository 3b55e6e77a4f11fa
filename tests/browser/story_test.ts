/**
 * The README's story, played with the mouse on the page of a real cluster: a write travels, a node
 * stops, the cluster goes on, the node comes back and catches up.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { ClusterView } from "../../src/http/cluster_view.ts";
import { ClusterProcess } from "../cluster/cluster_process.ts";
import { TestCluster } from "../cluster/harness.ts";
import { browserTest, type Look, WatchedPage } from "./browser.ts";

const DESK: Look = { width: 1280, height: 900, theme: "light" };
const badge = (name: string) => `[aria-label="${name}"] .badge`;
const copies = "#copies tbody";

/** Lets the key explorer do something and waits for its receipt and copies. */
async function explore(
  page: WatchedPage,
  button: "put" | "get" | "delete",
  owners = 3,
): Promise<void> {
  await page.page.$eval("#copies", (copies) => copies.replaceChildren());
  await page.click(`#${button}`);
  await page.until(`document.querySelectorAll("${copies} tr").length === ${owners}`);
}

/** How many times a node was started, as node1 has heard. */
async function startsSeen(cluster: ClusterProcess, name: string): Promise<number> {
  const view: ClusterView = await (await fetch(`${cluster.url(1)}/cluster`)).json();
  return view.members.find((member) => member.name === name)?.starts ?? 0;
}

browserTest("page: the whole story by clicks", async (browser) => {
  await using cluster = await ClusterProcess.start();
  const page = await WatchedPage.open(browser, cluster.url(1), DESK);
  assertEquals(await page.page.title(), "node1 · Converge");
  for (const name of ["node1", "node2", "node3"]) await page.untilText(badge(name), "up");

  const members = await page.page.$$eval(".member", (all) => all.map((one) => one.textContent));
  assertEquals(members.filter((text) => /Owns\d+ %Tokens100Load/.test(text)).length, 3);

  // A write travels around the ring.
  await page.type("#key", "greeting");
  await page.type("#value", "hello");
  await explore(page, "put");
  assert((await page.text("#result")).startsWith("Stored"));
  assertEquals((await page.page.$$("#receipt .lane")).length, 3);
  assertEquals((await page.page.$$("#ring .key-mark")).length, 1);
  assertEquals((await page.page.$$("#ring .node.owner")).length, 3);
  assertEquals((await page.text(copies)).match(/value/g)?.length, 3);
  assertEquals(await cluster.get(3, "greeting"), "hello");
  await page.untilText("#keys", "greeting");

  // A node stops with a click, and the cluster goes on.
  await page.click("#stop-node2");
  await page.untilText(badge("node2"), "stopped");
  await page.until(`document.querySelectorAll("#ring .node.stopped").length === 1`);
  await page.type("#value", "hello again");
  await explore(page, "put");
  assert((await page.text("#result")).startsWith("Stored"));
  await page.untilText(copies, "unreachable");
  await page.until(`document.getElementById("tile-hints").textContent === "1"`);
  await page.untilText(`[aria-label="node2"] .note`, "1 hint waits");

  // It comes back and catches up.
  await page.click("#start-node2");
  await page.untilText(badge("node2"), "up");
  await page.until(`document.getElementById("tile-hints").textContent === "0"`);
  await explore(page, "get");
  assertEquals(await page.text("#copies .value"), "hello again");
  assertEquals((await page.text(copies)).match(/value/g)?.length, 3);

  // A link is cut and healed.
  await page.click("#link-node1-node3");
  await page.untilText("#link-node1-node3", "Heal");
  assertEquals((await page.page.$$("#ring .link.cut")).length, 1);
  await explore(page, "put");
  await page.click("#link-node1-node3");
  await page.untilText("#link-node1-node3", "Cut");

  // A node is paused and goes on; another is restarted.
  await page.click("#pause-node3");
  await page.untilText(badge("node3"), "paused");
  await page.click("#resume-node3");
  await page.untilText(badge("node3"), "up");
  const startsBefore = await startsSeen(cluster, "node2");
  await page.click("#restart-node2");
  // Its badge says "up" until it stops.
  await cluster.until(
    "node1 hears of node2 again",
    async () => await startsSeen(cluster, "node2") > startsBefore,
  );
  await page.untilText(badge("node2"), "up");

  // Keys by prefix, page by page; a click on one opens it.
  for (let i = 0; i < 10; i++) await cluster.put(1, `list/${i}`, `value ${i}`);
  await page.type("#prefix", "list/");
  await page.click("#browse button");
  await page.untilText("#keys", "list/7");
  await page.click("#next");
  await page.untilText("#keys", "list/9");
  assertEquals((await page.page.$$("#keys li")).length, 2);
  await page.click("#keys li:last-child button");
  await page.untilText("#copies .value", "value 9");

  // Hot keys; and a key is deleted.
  await page.untilText("#hot", "greeting");
  await page.type("#key", "greeting");
  await explore(page, "delete");
  const deleted = await page.text(copies);
  assertEquals(deleted.match(/tombstone/g)?.length, 3, deleted + await page.text("#receipt"));
  await page.untilText("#copies", "Tombstone confirmed by 3 of 3 owners");

  // The charts have drawn something.
  assertEquals((await page.page.$$("#charts canvas")).length, 4);
  assertEquals(page.complaints, []);
});

browserTest(
  "page: a key is the one that was chosen, whatever a field can hold of it",
  async (browser) => {
    await using cluster = await ClusterProcess.start();
    await cluster.put(1, "a%0Ab", "of two lines");
    await cluster.put(1, "ab", "of one line");
    const page = await WatchedPage.open(browser, cluster.url(1), DESK);
    await page.click("#keys li:first-child button");
    await page.untilText("#copies .value", "of two lines");
    await explore(page, "delete");
    assertEquals(await cluster.get(1, "ab"), "of one line");
    assertEquals((await fetch(`${cluster.url(1)}/kv/a%0Ab`)).status, 404);
  },
);

browserTest(
  "page: two quick clicks on Next show one page, under its own number",
  async (browser) => {
    await using cluster = await ClusterProcess.start();
    for (let i = 10; i < 40; i++) await cluster.put(1, `list/${i}`, "v");
    const page = await WatchedPage.open(browser, cluster.url(1), DESK);
    await page.until(`!document.getElementById("next").disabled`); // else they would be no clicks
    await page.page.evaluate(`
    document.getElementById("next").click();
    document.getElementById("next").click();
  `);
    await page.untilText("#keys", "list/18");
    assertEquals(await page.text("#page"), "Page 2");
    await page.click("#next");
    await page.untilText("#keys", "list/26");
    assertEquals(await page.text("#page"), "Page 3");
  },
);

browserTest(
  "page: the node that serves it is told to be paused, though it tells nothing",
  async (browser) => {
    await using cluster = await ClusterProcess.start();
    const page = await WatchedPage.open(browser, cluster.url(1), DESK);
    await page.untilText(badge("node1"), "up");
    await page.click("#pause-node1");
    await page.untilText(badge("node1"), "paused");
    await page.click("#resume-node1");
    await page.untilText(badge("node1"), "up");
  },
);

browserTest("page: a member that was removed is gone from it", async (browser) => {
  await using cluster = await ClusterProcess.start();
  const url = cluster.url(1);
  const page = await WatchedPage.open(browser, url, DESK);
  await page.untilText(badge("node3"), "up");
  await page.until(`document.querySelectorAll("#links button").length === 3`);
  const body = JSON.stringify({ name: "node3" });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/cluster/removals`, { method: "POST", headers, body });
  assertEquals(answer.status, 202, await answer.text());
  for (const [what, left] of [["#ring .node", 2], [".member", 2], ["#links button", 1]] as const) {
    await page.until(`document.querySelectorAll("${what}").length === ${left}`);
  }
  assertEquals(page.complaints, []);
});

browserTest("page: with the keyboard alone", async (browser) => {
  await using cluster = await ClusterProcess.start();
  const { page, complaints } = await WatchedPage.open(browser, cluster.url(1), DESK);
  await page.keyboard.press("Tab");
  assertEquals(await page.evaluate("document.activeElement.className"), "skip");
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate("document.activeElement.id") === "key") break;
  }
  // Enter behind a key looks it up: it must not store the empty value field over what is there.
  await page.keyboard.type("typed");
  await page.keyboard.press("Enter");
  await page.waitForFunction(`!document.getElementById("result").textContent.startsWith("Type")`);
  assert((await cluster.get(2, "typed")).includes("not-found"));
  await page.keyboard.press("Tab");
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(`document.getElementById("result").textContent.startsWith("Stored")`);
  assertEquals(await cluster.get(2, "typed"), "by keyboard");
  assertEquals(complaints, []);
});

browserTest(
  "page: a node that dies under its own page is told of, and found again",
  async (browser) => {
    await using cluster = await ClusterProcess.start();
    const page = await WatchedPage.open(browser, cluster.url(1), DESK);
    await page.page.waitForSelector("#kill-node1");
    await page.click("#kill-node1");
    await page.until(`document.getElementById("live").textContent !== "Live"`);
    await page.untilText("#notice", "node2");
    await page.click("#start-node1");
    await page.until(`document.getElementById("live").textContent === "Live"`);
    assertEquals(
      await page.page.$eval("#notice", (notice) => (notice as HTMLElement).hidden),
      true,
    );
  },
);

browserTest(
  "page: axe-core has nothing to object to, nothing shifts, at each width and theme",
  async (browser) => {
    await using cluster = await ClusterProcess.start();
    const shots = Deno.env.get("CONVERGE_SCREENSHOTS") ??
      await Deno.makeTempDir({ prefix: "converge-page-" });
    for (const [width, height] of [[1280, 900], [390, 844]] as const) {
      for (const theme of ["light", "dark"] as const) {
        const page = await WatchedPage.open(browser, cluster.url(1), { width, height, theme });
        await page.untilText("#links", "Cut");
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        assertEquals(await page.layoutShift(), 0, `layout shift at ${width}, ${theme}`);
        await page.type("#key", "greeting");
        await page.type("#value", "hello");
        await explore(page, "put");
        await page.page.screenshot({
          path: join(shots, `page-${width}-${theme}.png`) as `${string}.png`,
          fullPage: true,
        });
        assertEquals(await page.axeViolations(), [], `${width}, ${theme}`);
        const overflow = "document.documentElement.scrollWidth - innerWidth";
        assertEquals(await page.page.evaluate(overflow), 0, `${width}: nothing sticks out`);
        assertEquals(page.complaints, []);
        await page.page.close();
      }
    }
    console.log(`Screenshots are in ${shots}`);
  },
);

browserTest("page: long names of nodes stay in their places", async (browser) => {
  const name = `converge-0.converge.${"default.".repeat(2)}svc.cluster.local`;
  await using cluster = await TestCluster.start(1, { args: ["--id", name] });
  for (const width of [1280, 390]) {
    const page = await WatchedPage.open(browser, cluster.nodes[0]!.url, { ...DESK, width });
    await page.until(`document.querySelectorAll("#deletes tbody tr").length === 1`);
    await page.type("#key", "greeting");
    await explore(page, "put", 1);
    const looks = await page.page.evaluate(`{
      const right = (element) => element.getBoundingClientRect().right;
      const labels = [...document.querySelectorAll(".node-label")];
      ({
        labels: labels.length,
        tooLong: labels.filter((label) => right(label) > right(label.parentElement) + 1).length,
        besideThePage: document.documentElement.scrollWidth - innerWidth,
        besideTheDisc: document.querySelector("#ring .node text").getBBox().width > 76,
      });
    }`);
    const wanted = { labels: 4, tooLong: 0, besideThePage: 0, besideTheDisc: false };
    assertEquals(looks, wanted, `${width} wide`);
  }
});
