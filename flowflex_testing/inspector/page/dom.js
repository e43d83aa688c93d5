// Makes and keeps elements. Text that came from a request only ever becomes a text node or an attribute here: nothing
// on this page parses markup, and in a text node nothing is invisible.

const SVG = "http://www.w3.org/2000/svg";

// What shows as nothing, or turns the direction of the text around it. Joiners between letters of scripts that need
// them, and within emoji, are seen by what they do.
const SEEN = String.raw`[\t\n\u200C\u200D\p{Variation_Selector}]|\r\n`;
const HIDDEN = String.raw`[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\uFFF9-\uFFFB]`;
const LOOSE_JOINER = String.raw`(?<=^|[\0-\x7F])[\u200C\u200D]`;
const INVISIBLE = new RegExp(`(?!${SEEN})${HIDDEN}|${LOOSE_JOINER}`, "gu");

export const byId = (id) => document.getElementById(id);

// `text` with what is invisible in it as the escapes that JSON has for it.
export const visible = (text) => text.replace(INVISIBLE, (found) => found.split("").map(escaped).join(""));

const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

// Attributes that are false, null or undefined are left out; `on` holds listeners. Children are nodes or strings, in
// which what is invisible is escaped.
export function element(tag, { on = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  for (const [type, listener] of Object.entries(on)) node.addEventListener(type, listener);
  node.append(...present(children).map((child) => (typeof child === "string" ? visible(child) : child)));
  return node;
}

export const present = (children) => children.filter((child) => child !== false && child != null);

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = svg.appendChild(document.createElementNS(SVG, "use"));
  use.setAttribute("href", `#icon-${name}`);
  return svg;
}

// A sentence whose code stands between backticks.
export const prose = (sentence) =>
  element("span", {}, ...sentence.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part)));

export const badge = (text, tone, title) => element("span", { class: "badge", "data-tone": tone, title }, text);

// Bring the children of `parent` into the order of `items`, each with a `key` that is its own and a `signature` that
// tells whether it has changed. A node is kept as long as its item is there, and so are its focus and what is open.
export function reconcile(parent, items, create, update) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let next = parent.firstElementChild;
  for (const item of items) {
    let node = known.get(item.key);
    if (node) known.delete(item.key);
    else {
      node = create(item);
      node.dataset.key = item.key;
    }
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
    if (node.signature !== item.signature) {
      node.signature = item.signature;
      update(node, item);
    }
  }
  for (const node of known.values()) node.remove();
}

// Fill `parent` anew where `signature` has changed since the last time.
export function refill(parent, signature, build) {
  if (parent.signature === signature) return;
  parent.signature = signature;
  parent.replaceChildren(...present(build()));
}
