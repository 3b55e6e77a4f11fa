/// <reference lib="dom" />
/** Making and finding elements. Texts are set as texts: nothing that came over the wire is markup. */

type Child = Node | string;
type Attributes = Record<string, string | boolean | undefined>;

/** The element with this id, which the page has. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** A new HTML element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(name), attributes, children);
}

/** A new SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** Sets a text, if it is another one: what does not change is not announced again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A dot in the colour of a node. */
export function dot(colour: number): HTMLElement {
  return h("span", { class: `dot swatch${colour}`, "aria-hidden": "true" });
}

/** A node's name, or what is shown of it, behind its dot; the whole name to whoever points at it. */
export function nodeLabel(colour: number, name: string, shown = name): HTMLElement {
  return h(
    "span",
    { class: "node-label", title: name },
    dot(colour),
    h("span", { class: "node-name" }, shown),
  );
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (typeof value === "string") element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
