/**
 * Packs the page (src/dashboard/page/) into one module that every node carries in itself:
 * src/dashboard/assets.generated.ts. Run it after any change there; a test notices when it was not.
 *
 * Usage: `deno task page`
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "@std/path";
import { createHash } from "node:crypto";

const DASHBOARD = join(dirname(fromFileUrl(import.meta.url)), "../dashboard");
const PAGE = join(DASHBOARD, "page");

/** Where the packed page goes. */
export const GENERATED = join(DASHBOARD, "assets.generated.ts");

interface Asset {
  path: string;
  contentType: string;
  immutable: boolean;
  text: string;
}

/** The text of the generated module. */
export async function bundlePage(): Promise<string> {
  const script = await bundleScript(join(PAGE, "main.ts"));
  const style = minifyStyle(
    await Deno.readTextFile(join(PAGE, "uplot.css")) +
      await Deno.readTextFile(join(PAGE, "style.css")),
  );
  const icon = await Deno.readTextFile(join(PAGE, "favicon.svg"));
  const scriptPath = `/assets/page.${hashOf(script)}.js`;
  const stylePath = `/assets/page.${hashOf(style)}.css`;
  const html = (await Deno.readTextFile(join(PAGE, "index.html")))
    .replaceAll("/assets/page.js", scriptPath).replaceAll("/assets/page.css", stylePath)
    .replaceAll(/\n\s+/g, "\n");
  const assets: Asset[] = [
    { path: "/", contentType: "text/html; charset=utf-8", immutable: false, text: html },
    {
      path: scriptPath,
      contentType: "text/javascript; charset=utf-8",
      immutable: true,
      text: script,
    },
    { path: stylePath, contentType: "text/css; charset=utf-8", immutable: true, text: style },
    { path: "/favicon.svg", contentType: "image/svg+xml", immutable: false, text: icon },
    { path: "/favicon.ico", contentType: "image/svg+xml", immutable: false, text: icon },
  ];
  return [
    "// Made by `deno task page` from src/dashboard/page/: change it there.",
    "// deno-fmt-ignore-file",
    "// deno-lint-ignore-file",
    "/** A file of the page. */",
    "export interface Asset { path: string; contentType: string; immutable: boolean; text: string }",
    "/** All files of the page. */",
    `export const ASSETS: readonly Asset[] = ${JSON.stringify(assets, null, 1)};`,
    "",
  ].join("\n");
}

/** A module with all that it imports as one script for browsers. */
export async function bundleScript(entry: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=browser", "--minify", "--format=iife", entry],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot bundle ${entry}:\n${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

function minifyStyle(css: string): string {
  return css.replaceAll(/\/\*.*?\*\//gs, "").replaceAll(/\s*\n\s*/g, "").replaceAll(/;\}/g, "}");
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 10);
}

if (import.meta.main) {
  const text = await bundlePage();
  await Deno.writeTextFile(GENERATED, text);
  console.log(`${(text.length / 1e3).toFixed(1)} kB`);
}
