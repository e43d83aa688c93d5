// The timeline of a send: its requests, each with what it said, what it got, and the rule or the fault behind it.

import { copyButton } from "./copying.js";
import { badge, byId, element, present, prose, reconcile } from "./dom.js";
import { answerOf, isRefusal, isStruck, pathOf, timeBetween } from "./journal.js";
import { textNode } from "./payload.js";
import { PROVENANCE, bytes, duration, iso, moment, span } from "./words.js";

const MARKS = {
  retry: ["retry", "warn", "The same again, after an attempt that had no answer or a passing one"],
  replay: ["replay", "info", "The answer that was stored for its idempotency key was given again"],
  overwrite: ["overwrite", "info", "The file was stored once more, in the place of the first"],
};

export function showTimeline(requests) {
  const rows = requests.map((request, place) => {
    const after = place === 0 ? "" : offset(timeBetween(requests[0], request));
    const { moved } = timeBetween(requests[Math.max(0, place - 1)], request);
    const shown = { request, after, moved: moved && span(moved) };
    return { key: String(request.number), signature: JSON.stringify(shown), ...shown };
  });
  reconcile(byId("timeline"), rows, createRequest, updateRequest);
}

// Where no real time is known, the move of the clock above it tells all.
const offset = ({ real }) => (real === null ? "" : `+${duration(real)}`);

// A request alone is shown open.
export function openOnly() {
  byId("timeline").querySelector("details").open = true;
}

function createRequest({ request }) {
  const summary = element("summary");
  const body = element("div", { class: "request-body" });
  const details = element("details", { class: "request" }, summary, body);
  details.addEventListener("toggle", () => fill(details));
  return element("li", { id: `timeline-${request.number}` }, element("p", { class: "moved" }), details);
}

function updateRequest(li, { request, after, moved }) {
  const [clock, details] = li.children;
  clock.hidden = !moved;
  clock.textContent = `The clock moved on by ${moved}`;
  details.request = request;
  details.dataset.outcome = outcome(request);
  details.firstElementChild.replaceChildren(...summaryOf(request, after));
  fill(details);
}

// The inside is made when it is to be seen: a send with many files has many requests.
function fill(details) {
  if (details.open) details.lastElementChild.replaceChildren(...insideOf(details.request));
}

function outcome(request) {
  if (isRefusal(request)) return "bad";
  return isStruck(request) || request.reply === null || "abort" in request.reply ? "none" : "good";
}

function summaryOf(request, after) {
  const [text, tone, title] = MARKS[request.mark] ?? [];
  return [
    element("span", { class: "operation" }, request.operation ?? request.origin),
    element(
      "span",
      { class: "target" },
      ...present([
        request.filename && element("b", {}, request.filename),
        element("code", {}, request.method),
        " ",
        element("code", {}, pathOf(request)),
      ]),
    ),
    element(
      "span",
      { class: "badges" },
      ...present([request.mark && badge(text, tone, title), request.fault && badge("fault", "fault", request.fault)]),
    ),
    element("time", { datetime: iso(request.at), title: moment(request.at) }, after),
    element("span", { class: "status" }, answerOf(request)),
    ...(isRefusal(request) && request.rule
      ? [element("span", { class: "why" }, element("code", {}, request.code), " ", sentenceOf(request))]
      : []),
  ];
}

// What the reply says is about this request, and the sentence of the rule about all of its kind.
const sentenceOf = ({ said, rule }) => said ?? prose(rule.sentence);

function insideOf(request) {
  return present([
    request.rule && ruleNote(request),
    request.fault && faultNote(request.fault),
    element("div", { class: "exchange" }, requestSide(request), replySide(request)),
    curlOf(request),
  ]);
}

export const faultNote = (fault) =>
  element("p", { class: "note", "data-tone": "fault" }, element("b", {}, "A fault struck"), element("code", {}, fault));

// The rule behind a request; `end` is how a whole send ended by it.
export function ruleNote(request, end = "") {
  const { said, rule } = request;
  return element(
    "div",
    { class: "note", "data-tone": end && "bad" },
    element("p", {}, ...present([end && element("b", {}, end), end && " ", sentenceOf(request)])),
    element(
      "p",
      { class: "muted" },
      ...present([
        provenanceBadge(rule.provenance),
        " rule ",
        element("code", {}, rule.id),
        ...(said !== null && said !== rule.sentence ? [": ", prose(rule.sentence)] : []),
        ...(rule.reason ? [" · ", prose(rule.reason)] : []),
      ]),
    ),
  );
}

const provenanceBadge = (provenance) => badge(provenance, provenance, PROVENANCE[provenance]);

function requestSide(request) {
  const none = request.received === 0 ? "No body." : `${bytes(request.received)} arrived; the bytes are not shown.`;
  return side("Request", `${request.method} ${request.target}`, request.headers, request.body, none);
}

function replySide(request) {
  const { reply } = request;
  if (reply === null) return side("Reply", "none: nothing was answered", [], null, "");
  if ("abort" in reply) {
    const how = reply.abort === "reset" ? "the connection was reset" : "the connection was ended";
    return side("Reply", `cut short: ${how}`, [], null, "");
  }
  // A fault may have had it wait.
  const after = request.took === null || request.fault ? "" : ` · after ${duration(request.took)}`;
  return side("Reply", `${reply.status} ${request.code}${after}`, reply.headers, reply.body, "No body.");
}

function side(heading, line, headers, body, withoutBody) {
  const rows = headers.map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)),
  );
  return element(
    "section",
    {},
    element("h4", {}, heading),
    element("p", { class: "first-line" }, line),
    ...(rows.length
      ? [element("table", { "aria-label": `Headers of the ${heading.toLowerCase()}` }, element("tbody", {}, ...rows))]
      : []),
    body ? textNode(body) : element("p", { class: "muted" }, withoutBody),
  );
}

function curlOf(request) {
  return element(
    "section",
    { class: "curl" },
    element("header", { class: "line" }, element("h4", {}, "As curl"), copyButton("Copy as curl", request.curl)),
    element("pre", { tabindex: "0", class: "code", "aria-label": "curl command" }, request.curl),
  );
}
