// Which items of the list are shown: those of one state whose text holds every word that was typed.

import { byId, element, reconcile } from "./dom.js";
import { layOut } from "./payload.js";
import { STATES, number } from "./words.js";

const text = byId("text");
const states = byId("states");
const haystacks = new WeakMap();
let state = "all";

export function watchFilter(changed) {
  text.addEventListener("input", changed);
  states.addEventListener("change", (event) => {
    state = event.target.value;
    changed();
  });
  byId("unfilter").addEventListener("click", () => {
    clearFilter();
    changed();
    text.focus();
  });
}

function clearFilter() {
  text.value = "";
  state = "all";
}

export function filtered(items) {
  showStates(items);
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  return items.filter(
    (item) => (state === "all" || item.state === state) && (words.length === 0 || holdsAll(haystack(item), words)),
  );
}

const holdsAll = (hay, words) => words.every((word) => hay.includes(word));

// What was made for an item is kept for the next letter that is typed.
function haystack(item) {
  if (!haystacks.has(item)) haystacks.set(item, textOf(item));
  return haystacks.get(item);
}

function textOf({ title, state: itemState, send, requests }) {
  const { payload, ...rest } = send ?? {};
  const parts = JSON.stringify([title, STATES[itemState], rest, requests.map(told)]);
  return `${parts}${layOut(payload ?? "")}`.toLowerCase();
}

const told = ({ method, target, filename, status, code, said, rule, fault, mark }) => [
  method,
  target,
  filename,
  status,
  code,
  said,
  rule?.id,
  fault,
  mark,
];

// A state that nothing is in is no choice, unless it was chosen.
function showStates(items) {
  states.hidden = items.length === 0;
  const counts = new Map();
  for (const item of items) counts.set(item.state, (counts.get(item.state) ?? 0) + 1);
  const choices = [{ key: "all", label: "All", count: items.length }];
  for (const [key, label] of Object.entries(STATES)) choices.push({ key, label, count: counts.get(key) ?? 0 });
  const shown = choices.filter(({ key, count }) => key === "all" || key === state || count > 0);
  for (const choice of shown) choice.signature = `${choice.count} ${choice.key === state}`;
  reconcile(states, shown, createChoice, updateChoice);
}

function createChoice({ key, label }) {
  const radio = element("input", { type: "radio", name: "state", value: key });
  return element("label", { class: "chip", "data-state": key }, radio, element("span", {}, label, " ", element("b")));
}

function updateChoice(label, { key, count }) {
  label.querySelector("input").checked = key === state;
  label.querySelector("b").textContent = number(count);
}
