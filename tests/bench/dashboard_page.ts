/** What a real browser says of the page. */
import puppeteer from "puppeteer-core";
import { WatchedPage } from "../browser/browser.ts";

/** Facts of one first visit. */
export interface PageFacts {
  /** Bytes over the wire until it was live, headers included, without the stream. */
  bytes: number;
  firstPaintMs: number;
  /** Until the first event was shown. */
  liveMs: number;
  layoutShift: number;
}

/** Visits the page with an empty cache. */
export async function pageFacts(executablePath: string, url: string): Promise<PageFacts> {
  const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
  const browser = await puppeteer.launch({ executablePath, headless: true, args: flags });
  try {
    const look = { width: 1280, height: 900, theme: "light" } as const;
    await (await WatchedPage.open(browser, url, look)).page.close();
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.evaluateOnNewDocument(`
      window.layoutShift = 0;
      new PerformanceObserver((list) => {
        for (const { value } of list.getEntries()) window.layoutShift += value;
      }).observe({ type: "layout-shift", buffered: true });
      const wait = setInterval(() => {
        if (document.getElementById("live")?.textContent !== "Live") return;
        window.liveMs = performance.now();
        clearInterval(wait);
      }, 5);
    `);
    await page.goto(url);
    await page.waitForFunction("window.liveMs > 0");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    return await page.evaluate(`({
      bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .reduce((sum, entry) => sum + entry.transferSize, 0),
      firstPaintMs: performance.getEntriesByName("first-contentful-paint")[0].startTime,
      liveMs: window.liveMs,
      layoutShift: window.layoutShift,
    })`) as PageFacts;
  } finally {
    await browser.close();
  }
}
