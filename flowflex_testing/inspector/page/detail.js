// The details of one send: how it ended and why, its payload with the files, and its requests.

import { copyButton } from "./copying.js";
import { byId, element, icon, present, refill, visible } from "./dom.js";
import { causeOf, isRefusal, timeBetween } from "./journal.js";
import { fileCard, layOut, textNode } from "./payload.js";
import { faultNote, openOnly, ruleNote, showTimeline } from "./requests.js";
import { STATES, duration, iso, moment, plural, span } from "./words.js";

const article = byId("item");
let shown = null;

// `item` is null where none is chosen; `empty` tells that there is none to choose.
export function showDetail(item, empty) {
  byId("waiting").hidden = !empty;
  byId("none-chosen").hidden = empty || item !== null;
  article.hidden = item === null;
  if (item === null) {
    shown = null;
    return;
  }
  const changed = shown !== item.id;
  shown = item.id;
  const { state, title, send, requests } = item;
  const signature = [item.id, state, title, send, causeOf(item), lastedOf(requests)];
  refill(byId("item-head"), JSON.stringify(signature), () => head(item));
  const { files = [], payload = null } = send ?? {};
  refill(byId("item-content"), JSON.stringify([item.id, payload, files]), () => content(payload, files));
  if (changed) byId("timeline").replaceChildren();
  showTimeline(requests);
  if (changed && requests.length === 1) openOnly();
  if (changed) byId("detail").scrollTop = 0;
}

export function focusDetail() {
  byId("item-heading").focus();
}

function head(item) {
  const { state, title, send, requests, tenant } = item;
  const cause = causeOf(item);
  const lasted = lastedOf(requests);
  return present([
    element(
      "p",
      { class: "state-line" },
      element("span", { class: "mark", "data-state": state }, icon(state)),
      element("b", {}, STATES[state]),
      send && element("span", {}, plural(requests.length, "request")),
    ),
    element("h2", { id: "item-heading", tabindex: "-1" }, title),
    element(
      "dl",
      { class: "facts" },
      ...present([
        fact("Arrived", element("time", { datetime: iso(item.at), title: iso(item.at) }, moment(item.at))),
        lasted && fact("Lasted", lasted),
        tenant && fact("Tenant", tenant),
        send?.key && fact("Idempotency key", element("code", {}, send.key)),
        send?.eventId && fact("Event id", element("code", {}, send.eventId)),
      ]),
    ),
    cause && causeNote(cause, STATES[state]),
  ]);
}

// In real time, and how far the clock was moved on meanwhile.
function lastedOf(requests) {
  const { real, moved } = timeBetween(requests[0], requests.at(-1));
  const took = requests.at(-1).took ?? 0;
  return present([
    real !== null && real + took > 0 && duration(real + took),
    moved > 0 && `${span(moved)} by the clock`,
  ]).join(", ");
}

// A fault comes first: without it, the rule would have answered.
function causeNote(cause, state) {
  if (cause.fault) return faultNote(cause.fault);
  return cause.rule && ruleNote(cause, isRefusal(cause) ? `${cause.status} ${cause.code}` : state);
}

const fact = (name, value) => element("div", {}, element("dt", {}, name), element("dd", {}, value));

const byAsset = (files) => new Map(files.map((file) => [file.assetId, file]));

function content(payload, files) {
  const placed = new Set();
  const sections = [];
  if (payload !== null) {
    sections.push(
      element(
        "section",
        { "aria-labelledby": "payload-heading" },
        element(
          "header",
          { class: "line" },
          element("h3", { id: "payload-heading" }, "Payload"),
          copyButton("Copy JSON", visible(layOut(payload))),
        ),
        textNode(payload, byAsset(files), placed),
      ),
    );
  }
  // Those that no place of the payload names, or all of them where it is too large for a tree.
  const loose = files.filter((file) => !placed.has(file.assetId));
  if (loose.length > 0) {
    sections.push(
      element(
        "section",
        { "aria-labelledby": "files-heading" },
        element("h3", { id: "files-heading" }, placed.size ? "Files in no place of the payload" : "Files"),
        element("ul", { class: "files" }, ...loose.map((file) => element("li", {}, fileCard(file)))),
      ),
    );
  }
  return sections;
}
