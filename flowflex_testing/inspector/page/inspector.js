// Ties the page together: what the fake's journal says is shown in the list and, for the item that the address names,
// in the details.

import * as api from "./api.js";
import { watchClear } from "./clear.js";
import { currentTime, showExpiries, takeClock, watchClock } from "./clock.js";
import { copy } from "./copying.js";
import { focusDetail, showDetail } from "./detail.js";
import { byId } from "./dom.js";
import { refreshFaults, watchFaults } from "./faults.js";
import { follow } from "./following.js";
import { Journal, find } from "./journal.js";
import { watchKeys } from "./keys.js";
import { markChosen, rowOf, showList, watchList } from "./list.js";
import { tell } from "./telling.js";
import { STATES, number } from "./words.js";

const BOTH_PANES = matchMedia("(min-width: 56rem)");

const journal = new Journal();
const ITEM = /^#((send|request)-\d+)?$/;

let items = [];
let chosen = idInAddress() ?? "";
let told = null;

async function changed(reply) {
  takeClock(reply);
  items = journal.items();
  showItems();
  tellNews();
  // A request may have been struck by a fault, or have stored what expires.
  await Promise.all([refreshFaults(), api.clock().then(takeClock)]);
}

function showItems() {
  const item = find(items, chosen);
  showList(items, currentTime(), journal.dropped);
  showDetail(item, items.length === 0);
  showExpiries();
  markChosen(item?.id ?? "");
  document.body.dataset.showing = item ? "detail" : items.length ? "list" : "welcome";
  document.title = items.length ? `(${number(items.length)}) FlowFlex fake` : "FlowFlex fake";
}

// Other fragments are those of the skip links: they choose nothing.
function idInAddress() {
  return ITEM.test(location.hash || "#") ? location.hash.slice(1) : null;
}

function choose(id) {
  chosen = id;
  showItems();
}

// On a narrow window the details would take the place of the list: there, only Enter opens them.
function preview(id) {
  if (!BOTH_PANES.matches) return;
  history.replaceState(null, "", `#${id}`);
  choose(id);
}

function open(id) {
  choose(id);
  focusDetail();
}

function leave() {
  if (BOTH_PANES.matches) rowOf(chosen)?.focus();
  else location.hash = "";
}

// What is new, once it has ended: a send that is still uploading would be told twice.
function tellNews() {
  const ended = items.filter((item) => item.state !== "uploading");
  const fresh = told === null ? [] : ended.filter((item) => !told.has(item.id));
  told = new Set(ended.map((item) => item.id));
  if (fresh.length === 1) tell(`New: ${fresh[0].title}, ${STATES[fresh[0].state]}`);
  if (fresh.length > 1) tell(`${number(fresh.length)} new sends`);
}

watchList();
watchFaults();
const ask = follow(journal, changed);
watchClock(ask);
watchClear(ask);
watchKeys({ preview, open, leave, chosen: () => chosen });
byId("copy-first-send").addEventListener("click", ({ target }) => copy(target, byId("first-send").textContent));
addEventListener("hashchange", () => {
  const left = chosen;
  choose(idInAddress() ?? chosen);
  if (BOTH_PANES.matches) return;
  if (chosen) focusDetail();
  else rowOf(left)?.focus();
});
