// The fake's clock: shown in the bar, moved in its sheet. It is the fake's time that this page tells, never its own.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { attempt, tell } from "./telling.js";
import { day, iso, moment, span, speed, time } from "./words.js";

const TICK = 500;

const sheet = byId("clock");
let reading = null;

export function watchClock(moved) {
  const set = (value) =>
    attempt(sheet, async () => {
      takeClock(await api.setClock(value));
      tell(`The clock stands at ${moment(currentTime())}`);
      moved();
    });

  byId("open-clock").addEventListener("click", () => sheet.showModal());
  sheet.addEventListener("click", ({ target }) => {
    if (target.dataset.hours) set({ advance: { hours: Number(target.dataset.hours) } });
  });
  byId("advance").addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = [...new FormData(event.target)].map(([name, value]) => [name, Number(value)]);
    set({ advance: Object.fromEntries(fields) });
  });
  byId("rates").addEventListener("change", ({ target }) => set({ rate: Number(target.value) }));
  setInterval(show, TICK);
}

// A reply of the clock, or of the journal, which tells nothing of what is next.
export function takeClock({ now, rate, next = reading?.next ?? null }) {
  reading = { now, rate, next, taken: performance.now() };
  const radio = byId("rates").querySelector(`[value="${Number(rate)}"]`);
  for (const other of byId("rates").querySelectorAll("input")) other.checked = other === radio;
  byId("rate").hidden = rate === 1;
  byId("rate").textContent = speed(rate);
  show();
}

export function currentTime() {
  return reading.now + (reading.rate * (performance.now() - reading.taken)) / 1000;
}

function show() {
  if (reading === null) return;
  const now = currentTime();
  const inBar = byId("now");
  const inSheet = byId("clock-now");
  inBar.dateTime = inSheet.dateTime = iso(now);
  inBar.firstElementChild.textContent = `${day(now)}, `;
  inBar.lastElementChild.textContent = time(now);
  inSheet.textContent = moment(now);
  const { next } = reading;
  byId("clock-next").textContent =
    next === null ? "Nothing expires." : `In ${span(Math.max(0, next.at - now))}, ${next.what}.`;
  showExpiries(now);
}

// Wherever a file stands on the page, its time counts down.
export function showExpiries(now = currentTime()) {
  for (const expiry of document.querySelectorAll("time[data-expires]")) {
    const at = Number(expiry.dataset.expires);
    expiry.dateTime = iso(at);
    expiry.title = moment(at);
    expiry.textContent = at > now ? `expires in ${span(at - now)}` : `expired ${span(now - at)} ago`;
  }
}
