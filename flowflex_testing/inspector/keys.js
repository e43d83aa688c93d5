// The keyboard: arrows, j and k move through the list, Enter goes to the details, Escape comes back, / filters.

import { byId } from "./dom.js";
import { focusDetail } from "./detail.js";
import { neighbour, rowOf } from "./list.js";

const STEPS = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };

// `choose` opens the item of an id; `chosen` returns the id of the one that is open.
export function watchKeys(choose, chosen) {
  const text = byId("text");

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (target === text) {
      if (key === "ArrowDown" || (key === "Escape" && text.value === "")) move(event, null, 0);
      return;
    }
    if (target.matches("input, select, textarea")) return;
    const inList = byId("sends").contains(target);
    if (key === "/") {
      event.preventDefault();
      text.select();
    } else if (key in STEPS && (inList || target === document.body)) {
      move(event, target.closest(".row") ?? rowOf(chosen()), STEPS[key]);
    } else if (key === "Escape" && byId("detail").contains(target)) {
      rowOf(chosen())?.focus();
    }
  });

  function move(event, from, steps) {
    const row = neighbour(from, steps);
    if (!row) return;
    event.preventDefault();
    row.focus();
    choose(row.hash.slice(1));
  }

  // A click that no mouse made is Enter on the row.
  byId("list").addEventListener("click", (event) => {
    if (event.detail === 0) setTimeout(focusDetail);
  });
}
