// The list of sends. It holds the newest ones, as many as a browser lays out at once, and says what it leaves out.

import { badge, byId, element, icon, present, reconcile } from "./dom.js";
import { filtered, watchFilter } from "./filter.js";
import { answerOf, causeOf, isRefusal } from "./journal.js";
import { STATES, iso, number, plural, timeOfDay } from "./words.js";

const STEP = 200;

const list = byId("list");
const bound = byId("bound");
let limit = STEP;
let items = [];
let now = 0;
let chosen = "";

export function watchList() {
  watchFilter(() => {
    limit = STEP;
    showItems();
  });
  byId("older").addEventListener("click", () => {
    limit += STEP;
    const first = list.children.length;
    showItems();
    list.children[first]?.firstElementChild.focus();
  });
}

export function showList(newItems, newNow, dropped) {
  items = newItems;
  now = newNow;
  byId("dropped").hidden = dropped === 0;
  byId("dropped").textContent =
    `${number(dropped)} older ${dropped === 1 ? "request was" : "requests were"} dropped: the fake keeps the newest ones.`;
  showItems();
}

function showItems() {
  const fitting = filtered(items);
  const rows = fitting.slice(0, limit).map(row);
  reconcile(list, rows, createRow, updateRow);
  markChosen(chosen);
  byId("nothing-found").hidden = items.length === 0 || fitting.length > 0;
  bound.hidden = fitting.length <= limit;
  bound.firstElementChild.textContent = `The newest ${number(limit)} of ${number(fitting.length)}.`;
  byId("older").textContent = `Show ${number(Math.min(STEP, fitting.length - limit))} more`;
}

export function markChosen(id) {
  chosen = id;
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  rowOf(id)?.setAttribute("aria-current", "true");
}

export const rowOf = (id) => list.querySelector(`[href="#${CSS.escape(id)}"]`);

// The row that is `steps` below `row`; from no row it is the first one.
export function neighbour(row, steps) {
  const rows = [...list.querySelectorAll("a")];
  return row ? rows[rows.indexOf(row) + steps] : rows[0];
}

// All that a row shows, which is also what tells whether it is to be drawn anew.
function row(item) {
  const { files = [], retries = 0, replays = 0 } = item.send ?? {};
  const faults = item.requests.filter((request) => request.fault).length;
  const shown = {
    id: item.id,
    state: item.state,
    title: item.title,
    at: item.at,
    when: timeOfDay(item.at, now),
    answer: endOf(item),
    tenant: item.tenant === "default" ? null : item.tenant,
    files: new Set(files.map((file) => file.assetId)).size,
    retries,
    replays,
    faults,
  };
  return { key: item.id, signature: JSON.stringify(shown), ...shown };
}

// What it was refused with, or what came of it; a request that belongs to no send has no state but its answer.
function endOf(item) {
  const cause = causeOf(item);
  if (cause && isRefusal(cause)) return `${cause.status} ${cause.code}`;
  if (item.state === "interrupted") return answerOf(cause);
  return item.send ? null : String(item.requests[0].status ?? "no answer");
}

function createRow(item) {
  return element("li", {}, element("a", { class: "row", href: `#${item.id}` }));
}

function updateRow(li, item) {
  const link = li.firstElementChild;
  link.dataset.state = item.state;
  link.replaceChildren(
    element("span", { class: "mark", "data-state": item.state }, icon(item.state)),
    element("span", { class: "title" }, item.title),
    element("time", { datetime: iso(item.at) }, item.when),
    element(
      "span",
      { class: "second" },
      element(
        "span",
        { class: "about dotted" },
        ...present([
          element("span", { class: "state" }, STATES[item.state]),
          item.answer && element("span", { class: "answer" }, item.answer),
          item.files > 0 && element("span", {}, plural(item.files, "file")),
          item.tenant && element("span", {}, item.tenant),
        ]),
      ),
      element(
        "span",
        { class: "badges" },
        ...present([
          item.retries > 0 && badge(counted(item.retries, "retry", "retries"), "warn"),
          item.replays > 0 && badge(counted(item.replays, "replay", "replays"), "info"),
          item.faults > 0 && badge(counted(item.faults, "fault", "faults"), "fault"),
        ]),
      ),
    ),
  );
}

const counted = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;
