/**
 * `deno task sim:defects`: puts every defect in, counts the seeds until it is caught, and writes the
 * table into `docs/guarantees.md`.
 */
import { type Catch, catchAllDefects } from "../simulation/defects/catch_defects.ts";
import { replaceSection } from "./document_section.ts";

const DOCUMENT = new URL("../../docs/guarantees.md", import.meta.url);

const catches: Catch[] = [];
for await (const one of catchAllDefects()) {
  catches.push(one);
  console.log(`${one.defect.name}: ${one.seeds ?? `not caught in ${one.defect.seedsMax}`}`);
}

const rows = catches.map(({ defect, seeds, checkers }) =>
  `| \`${defect.name}\` | ${defect.about} | ${checkers.map((name) => `\`${name}\``).join(", ")} | ${
    seeds ?? `not within ${defect.seedsMax}`
  } | ${defect.seedsMax} |`
);
const table = [
  "| defect | what is wrong | checkers that caught it | seeds needed | at most |",
  "| --- | --- | --- | ---: | ---: |",
  ...rows,
].join("\n");
const document = Deno.readTextFileSync(DOCUMENT);
Deno.writeTextFileSync(DOCUMENT, replaceSection(document, "defects", table));
Deno.exit(catches.every(({ seeds }) => seeds !== undefined) ? 0 : 1);
