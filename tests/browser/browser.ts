/// <reference lib="dom" />
/** A real Chromium for tests, and the pages in it. */
import axe from "axe-core";
import puppeteer, { type Browser, type BrowserContext, type Page } from "puppeteer-core";

const CANDIDATES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

/** Where Chromium is, undefined where there is none; `CONVERGE_CHROMIUM` names another place. */
export function chromiumPath(): string | undefined {
  const named = Deno.env.get("CONVERGE_CHROMIUM");
  return [...named === undefined ? [] : [named], ...CANDIDATES].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** One for all tests of a file, since it takes long to start; they share nothing in it. */
let shared: Promise<Browser> | undefined;

Deno.test.afterAll(async () => await (await shared)?.close());

/**
 * Registers a test that needs a browser: without one it is ignored aloud, and fails under CI.
 * What it opens has cookies, caches and storage of its own, and is closed behind it.
 */
export function browserTest(name: string, run: (browser: BrowserContext) => Promise<void>): void {
  const path = chromiumPath();
  const isCI = Deno.env.get("CI") === "true";
  const ignore = path === undefined && !isCI;
  if (ignore) console.log(`Ignored, as no Chromium was found: ${name}`);
  Deno.test({
    name,
    ignore,
    // The driver's timers and sockets last as long as its browser.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      if (path === undefined) throw new Error("No Chromium was found, and CI asks for one");
      shared ??= puppeteer.launch({ executablePath: path, headless: true, args: FLAGS });
      const context = await (await shared).createBrowserContext();
      try {
        await run(context);
      } finally {
        await context.close();
      }
    },
  });
}

/** How a page is looked at. */
export interface Look {
  width: number;
  height: number;
  theme: "light" | "dark";
}

/** What is waited for comes in a moment, and later on a busy machine. */
const PATIENCE_MS = 60_000;

/** A page that keeps what it complains about and how far its layout shifted. */
export class WatchedPage {
  readonly page: Page;
  /** Errors of scripts and of the console. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => void this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") {
        this.complaints.push(`${message.text()} ${message.location().url ?? ""}`);
      }
    });
  }

  static async open(
    browser: Browser | BrowserContext,
    url: string,
    look: Look,
  ): Promise<WatchedPage> {
    const page = await browser.newPage();
    const watched = new WatchedPage(page);
    page.setDefaultTimeout(PATIENCE_MS);
    await page.setViewport({ width: look.width, height: look.height });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: look.theme }]);
    await page.evaluateOnNewDocument(WATCH_SHIFTS);
    await page.goto(url, { waitUntil: "load" });
    await watched.until(`document.getElementById("live").textContent === "Live"`);
    return watched;
  }

  /** Clicks what a person would click. */
  async click(selector: string): Promise<void> {
    const element = await this.page.waitForSelector(selector, { visible: true });
    await element!.evaluate((node) => node.scrollIntoView({ block: "center" }));
    await element!.click();
  }

  /** Empties a field and types into it. */
  async type(selector: string, text: string): Promise<void> {
    await this.page.$eval(selector, (field) => (field as HTMLInputElement).value = "");
    await this.page.type(selector, text);
  }

  /** Waits until an expression holds on the page. */
  async until(expression: string): Promise<void> {
    try {
      await this.page.waitForFunction(expression, { polling: 50 });
    } catch (cause) {
      const text = await this.page.evaluate(() => document.body.innerText);
      throw new Error(`Waited in vain until ${expression}\n${text}`, { cause });
    }
  }

  /** Waits until an element's text holds another. */
  async untilText(selector: string, text: string): Promise<void> {
    const element = `document.querySelector(${JSON.stringify(selector)})`;
    await this.until(`${element}?.textContent.includes(${JSON.stringify(text)})`);
  }

  text(selector: string): Promise<string> {
    return this.page.$eval(selector, (element) => element.textContent ?? "");
  }

  /** Shifts of the layout since the page began, other than after what a person did. */
  async layoutShift(): Promise<number> {
    return await this.page.evaluate("window.layoutShift") as number;
  }

  /** What axe-core objects to, one line each. */
  async axeViolations(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate("axe.run()") as axe.AxeResults;
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} ${target} ${failureSummary}`)
    );
  }
}

const WATCH_SHIFTS = `
  window.layoutShift = 0;
  new PerformanceObserver((list) => {
    for (const { hadRecentInput, value } of list.getEntries()) {
      if (!hadRecentInput) window.layoutShift += value;
    }
  }).observe({ type: "layout-shift", buffered: true });
`;
