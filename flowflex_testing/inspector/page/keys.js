// The keyboard: arrows, j and k move through the list, Enter goes to the details, Escape comes back, / filters.

import { byId } from "./dom.js";
import { neighbour, rowOf } from "./list.js";

const STEPS = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };

// `preview` shows an item beside the list, `open` goes to it, `leave` comes back; `chosen` returns the id of the one
// that is shown.
export function watchKeys({ preview, open, leave, chosen }) {
  const text = byId("text");

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (target === text) {
      if (key === "ArrowDown" || (key === "Escape" && text.value === "")) move(event, null, 0);
      return;
    }
    if (target.matches("input, select, textarea")) return;
    if (key === "/") {
      event.preventDefault();
      text.select();
    } else if (key in STEPS && (target === document.body || byId("sends").contains(target))) {
      move(event, target.closest(".row") ?? rowOf(chosen()), STEPS[key]);
    } else if (key === "Escape" && byId("detail").contains(target)) {
      leave();
    }
  });

  function move(event, from, steps) {
    const row = neighbour(from, steps);
    if (!row) return;
    event.preventDefault();
    row.focus();
    preview(row.hash.slice(1));
  }

  // A click that no mouse made is Enter on the row.
  byId("list").addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row && event.detail === 0) open(row.hash.slice(1));
  });
}
