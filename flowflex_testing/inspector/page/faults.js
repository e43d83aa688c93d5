// The sheet of faults: what is armed and what it has struck, presets, and a form whose fields are the kind's own.

import * as api from "./api.js";
import { badge, byId, element, present, prose, reconcile } from "./dom.js";
import { attempt, tell } from "./telling.js";
import { number, plural } from "./words.js";

const sheet = byId("faults");
const form = byId("arm");
// What it means that a field which has a default is to hold nothing.
const NOTHING = { seconds: "until disarmed" };
const TYPES = { int: "whole number", float: "number", str: "text", bytes: "text" };
let kinds = [];

export function watchFaults() {
  byId("open-faults").addEventListener("click", () => {
    sheet.showModal();
    attempt(sheet, refreshFaults);
  });
  byId("disarm-all").addEventListener("click", () => change(api.disarmAll, "All faults are disarmed"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change(() => api.arm(chosenFault()), "The fault is armed");
  });
  form.elements.kind.addEventListener("change", showKind);
  form.elements.operation.addEventListener("change", showSharedPort);
}

function change(action, news) {
  return attempt(sheet, async () => {
    await action();
    await refreshFaults();
    tell(news);
  });
}

export async function refreshFaults() {
  const reply = await api.faults();
  showArmed(reply.armed);
  showTenants(reply.tenants);
  if (kinds.length > 0) return;
  kinds = reply.kinds;
  form.elements.operation.replaceChildren(...reply.operations.map((name) => option(name)));
  form.elements.kind.replaceChildren(...kinds.map(({ kind }) => option(kind)));
  byId("presets").replaceChildren(...reply.presets.map(preset));
  showKind();
}

const option = (value, text = value) => element("option", { value }, text);

// They may become more while the page is open; the chosen one stays chosen.
function showTenants(tenants) {
  const choices = ["", ...tenants].map((name) => ({ key: name, signature: name }));
  reconcile(form.elements.tenant, choices, ({ key }) => option(key, key || "any"), () => {});
}

function preset({ name, sentence }) {
  const button = element("button", { type: "button", "aria-label": `Arm ${name}` }, "Arm");
  button.addEventListener("click", () => change(() => api.arm({ preset: name }), "The preset is armed"));
  return element(
    "li",
    {},
    element("div", {}, element("code", {}, name), element("p", { class: "muted" }, prose(sentence))),
    button,
  );
}

// A fault that has struck as often as it was to is over, and stays to be seen.
const isOver = ({ times, hits }) => times !== null && hits >= times;

function showArmed(armed) {
  const waiting = armed.filter((fault) => !isOver(fault)).length;
  byId("faults-armed").hidden = waiting === 0;
  byId("faults-armed").textContent = number(waiting);
  byId("none-armed").hidden = armed.length > 0;
  byId("disarm-all").hidden = armed.length === 0;
  const items = armed.map((fault) => ({ key: String(fault.id), signature: JSON.stringify(fault), ...fault }));
  reconcile(byId("armed"), items, createArmed, updateArmed);
}

function createArmed({ id, text }) {
  const disarm = element("button", { type: "button", "aria-label": `Disarm ${text}` }, "Disarm");
  disarm.addEventListener("click", () => change(() => api.disarm(id), "The fault is disarmed"));
  return element("li", {}, element("div", { class: "words" }), disarm);
}

function updateArmed(li, fault) {
  const { text, times, seen, hits } = fault;
  const aim = times === null ? "" : ` of ${number(times)}`;
  li.firstElementChild.replaceChildren(
    element("code", {}, text),
    element(
      "p",
      { class: "muted" },
      ...present([
        isOver(fault) ? badge("over") : badge("waiting", "warn"),
        ` struck ${number(hits)}${aim} · saw ${plural(seen, "request")}`,
      ]),
    ),
  );
}

function showKind() {
  const { sentence, fields } = kinds.find(({ kind }) => kind === form.elements.kind.value);
  byId("kind-sentence").replaceChildren(prose(sentence));
  byId("kind-fields").replaceChildren(...fields.flatMap(fieldWithNothing));
  showSharedPort();
}

// A server whose port is closed cannot be told to open it.
function showSharedPort() {
  byId("shared-port").hidden = form.elements.kind.value !== "Refuse" || form.elements.operation.value === "put";
}

function fieldWithNothing(described) {
  const { name, type, default: initial } = described;
  const shown = field(described);
  if (initial === null || !type.includes("None")) return [shown];
  const box = element("input", { type: "checkbox", "data-nothing": name });
  box.addEventListener("change", () => (shown.querySelector("input").disabled = box.checked));
  return [shown, element("label", { class: "check" }, box, NOTHING[name] ?? "none")];
}

function field({ name, type, required, default: initial }) {
  const label = name.replaceAll("_", " ");
  if (type === "bool") {
    return element(
      "label",
      { class: "check" },
      element("input", { type: "checkbox", name, checked: initial === true }),
      label,
    );
  }
  return element(
    "label",
    {},
    label,
    element("input", {
      type: "text",
      name,
      required,
      placeholder: initial ?? typeInWords(type),
      autocomplete: "off",
      spellcheck: "false",
    }),
  );
}

// "float | str | None" is "number or text, optional".
function typeInWords(type) {
  const words = type
    .split(" | ")
    .filter((word) => word !== "None")
    .map((word) => TYPES[word] ?? word);
  return words.join(" or ") + (type.includes("None") ? ", optional" : "");
}

// What was left empty keeps its default, or is named by the fake where it has none.
function chosenFault() {
  const { kind, fields } = kinds.find((one) => one.kind === form.elements.kind.value);
  const values = {};
  for (const { name, type } of fields) {
    const input = byId("kind-fields").querySelector(`[name="${CSS.escape(name)}"]`);
    if (input.type === "checkbox") values[name] = input.checked;
    else if (input.disabled) values[name] = null;
    else if (input.value.trim() !== "") values[name] = /int|float/.test(type) ? numberIn(input.value) : input.value;
  }
  const { operation, occurrence, times, chance, seed, tenant } = form.elements;
  const numberOf = (input) => (input.value === "" ? null : Number(input.value));
  return {
    operation: operation.value,
    kind,
    fields: values,
    occurrence: Number(occurrence.value),
    times: numberOf(times),
    chance: numberOf(chance),
    seed: chance.value === "" ? null : numberOf(seed),
    tenant: tenant.value || null,
  };
}

// Retry-After may be a number or a date; what is no number stays text, and the fake judges it.
function numberIn(text) {
  const value = Number(text);
  return Number.isNaN(value) ? text : value;
}
