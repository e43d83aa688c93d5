// A payload as indented JSON, with each file in the place of its asset id.

import { assetUrl } from "./api.js";
import { element, icon, present } from "./dom.js";
import { bytes, number } from "./words.js";

// More characters of JSON than this are shown as plain text: a tree of them would hold the page up.
const LARGEST_TREE = 30_000;

// Nodes for `value`; `files` maps asset ids to files, and the ids that were found are added to `placed`.
export function jsonTree(value, files = new Map(), placed = new Set()) {
  const text = JSON.stringify(value, null, 2);
  if (text.length > LARGEST_TREE) return element("pre", { tabindex: "0", class: "code" }, text);
  return element("div", { class: "code" }, ...branch(value, files, placed, ""));
}

// The text of a body as a tree where it is JSON, otherwise as it is.
export function bodyText(text) {
  try {
    return jsonTree(JSON.parse(text));
  } catch {
    return element("pre", { tabindex: "0", class: "code" }, text);
  }
}

function branch(value, files, placed, comma) {
  if (typeof value === "string" && files.has(value)) {
    placed.add(value);
    return [fileCard(files.get(value))];
  }
  if (value === null || typeof value !== "object") return [leaf(value), comma];
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const entries = Object.entries(value);
  if (entries.length === 0) return [open + close + comma];
  const lines = entries.map(([key, inner], place) => {
    const name = Array.isArray(value) ? [] : [element("span", { class: "key" }, JSON.stringify(key)), ": "];
    return element("div", {}, ...name, ...branch(inner, files, placed, place < entries.length - 1 ? "," : ""));
  });
  return [open, element("div", { class: "nest" }, ...lines), close + comma];
}

function leaf(value) {
  const kind = value === null ? "null" : typeof value;
  return element("span", { class: `leaf ${kind}` }, JSON.stringify(value));
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
