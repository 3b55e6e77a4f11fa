/** The OpenAPI document as a page to read: plain HTML, nothing to run. */
import type { OpenApiDocument } from "./openapi_document.ts";

interface Parameter {
  name?: string;
  in?: string;
  description?: string;
  required?: boolean;
}

interface Schema {
  $ref?: string;
  anyOf?: Schema[];
}

interface Response {
  description?: string;
  content?: Record<string, { schema?: Schema }>;
}

interface Operation {
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, { schema?: { example?: unknown } }> };
  responses?: Record<string, Response>;
}

const METHODS = ["get", "put", "post", "delete"] as const;

/** The page's HTML. `stylePath` is where its style sheet lies. */
export function referencePage(document: OpenApiDocument, stylePath: string): string {
  const sections = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = (item as Record<string, Operation | undefined>)[method];
      return operation === undefined ? [] : [section(method, path, operation)];
    })
  );
  const schemas = Object.entries(document.components?.schemas ?? {}).map(([name, schema]) =>
    `<details class="card" id="schema-${name}"><summary>${name}</summary>` +
    `<pre class="value mono" tabindex="0">${
      escape(JSON.stringify(schema, null, 2))
    }</pre></details>`
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Converge: HTTP reference</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${stylePath}"></head>
<body><header class="top"><div class="brand"><h1>Converge: HTTP reference</h1></div>
<nav class="nodes" aria-label="Other pages"><a href="/">Live page</a><a href="/openapi.json">openapi.json</a></nav>
</header><main class="reference"><p>${rich(document.info.description)}</p>
${sections.join("\n")}
<h2>Schemas</h2>
${schemas.join("\n")}
</main></body></html>
`;
}

function section(method: string, path: string, operation: Operation): string {
  const parameters = (operation.parameters ?? []).map(({ name, in: place, description }) =>
    row(`<code>${escape(name ?? "")}</code>`, `${place}`, rich(description))
  );
  const responses = Object.entries(operation.responses ?? {}).map(([status, response]) =>
    row(`<code>${status}</code>`, bodyOf(response), rich(response.description))
  );
  return `<section class="card"><h2><code>${method.toUpperCase()} ${escape(path)}</code></h2>
<p>${escape(operation.summary ?? "")}</p>
${operation.description === undefined ? "" : `<p>${rich(operation.description)}</p>`}
${table("Parameters", ["Name", "In", "Meaning"], parameters)}
${requestBody(operation)}
${table("Answers", ["Status", "Body", "Meaning"], responses)}</section>`;
}

function requestBody({ requestBody }: Operation): string {
  return Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) => {
    const example = schema?.example === undefined
      ? ""
      : `<pre class="value mono" tabindex="0">${escape(String(schema.example))}</pre>`;
    return `<p class="body">Body: <code>${escape(type)}</code></p>${example}`;
  }).join("");
}

function bodyOf({ content = {} }: Response): string {
  return Object.entries(content).map(([type, { schema }]) => {
    const named = schema?.anyOf?.find(({ $ref }) => $ref !== undefined) ?? schema;
    const name = named?.$ref?.split("/").at(-1);
    return name === undefined
      ? escape(type)
      : `<a href="#schema-${name}">${name}</a> <small>${escape(type)}</small>`;
  }).join("<br>");
}

function table(caption: string, heads: string[], rows: string[]): string {
  if (rows.length === 0) return "";
  const cells = heads.map((head) => `<th scope="col">${head}</th>`).join("");
  return `<table><caption>${caption}</caption><thead><tr>${cells}</tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table>`;
}

function row(...cells: string[]): string {
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

/** Text with its code set apart. */
function rich(text = ""): string {
  return escape(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
