// A payload as indented JSON, with each file in the place of its asset id.

import { assetUrl } from "./api.js";
import { element, icon, present } from "./dom.js";
import { indented, readJson } from "./json.js";
import { bytes, number } from "./words.js";

// More characters of JSON than this are shown as plain text: a tree of them would hold the page up.
const LARGEST_TREE = 30_000;

const KINDS = { '"': "string", t: "boolean", f: "boolean", n: "null" };

// A node for the text of a payload or a body: as a tree where it is JSON, otherwise as it is. `files` maps asset ids to
// files, and the ids that were found are added to `placed`.
export function textNode(text, files = new Map(), placed = new Set()) {
  const value = readJson(text);
  const laidOut = value === null ? text : indented(value);
  if (value === null || laidOut.length > LARGEST_TREE) {
    return element("pre", { tabindex: "0", class: "code" }, laidOut);
  }
  return element("div", { class: "code" }, ...branch(value, files, placed, ""));
}

// JSON over indented lines, and any other text as it is.
export function layOut(text) {
  const value = readJson(text);
  return value === null ? text : indented(value);
}

function branch(value, files, placed, comma) {
  if (!value.entries) return leaf(value.text, files, placed, comma);
  const [open, close] = value.brackets;
  if (value.entries.length === 0) return [open + close + comma];
  const last = value.entries.at(-1);
  const lines = value.entries.map((entry) => {
    const name = entry.key === null ? [] : [element("span", { class: "key" }, entry.key), ": "];
    return element("div", {}, ...name, ...branch(entry.value, files, placed, entry === last ? "" : ","));
  });
  return [open, element("div", { class: "nest" }, ...lines), close + comma];
}

function leaf(text, files, placed, comma) {
  const kind = KINDS[text[0]] ?? "number";
  const file = kind === "string" ? files.get(JSON.parse(text)) : undefined;
  if (!file) return [element("span", { class: `leaf ${kind}` }, text), comma];
  placed.add(file.assetId);
  return [fileCard(file)];
}

export function fileCard(file) {
  const url = assetUrl(file.assetId);
  return element(
    "div",
    { class: "file" },
    thumbnail(file, url),
    element(
      "div",
      { class: "words" },
      element("span", { class: "name" }, file.filename),
      element(
        "span",
        { class: "muted facts dotted" },
        ...present([
          !file.stored && element("b", { class: "bad" }, "not stored"),
          file.size !== null && element("span", { title: `${number(file.size)} bytes` }, bytes(file.size)),
          element("span", {}, file.mime),
          file.stored && file.expiresAt && element("time", { "data-expires": file.expiresAt }),
        ]),
      ),
      element("span", { class: "muted id" }, file.assetId),
    ),
    file.kept
      ? element(
          "a",
          { class: "button", href: url, download: file.filename, "aria-label": `Download ${file.filename}` },
          icon("download"),
        )
      : element("span", {}),
  );
}

function thumbnail(file, url) {
  if (!file.kept || !file.mime.startsWith("image/")) return element("span", { class: "thumbnail" }, icon("file"));
  const image = element("img", { src: url, alt: "", loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(icon("file")));
  return element(
    "a",
    { class: "thumbnail", href: url, target: "_blank", "aria-label": `Open ${file.filename}` },
    image,
  );
}
