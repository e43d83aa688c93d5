// How moments, spans, sizes and states are put into words.

const LANGUAGE = "en-GB";
const TIME = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short" });
const MOMENT = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "medium" });
const NUMBER = new Intl.NumberFormat(LANGUAGE);

export const STATES = {
  delivered: "Delivered",
  refused: "Refused",
  uploading: "Uploading",
  "failed-run": "Failed run",
  interrupted: "Interrupted",
  other: "No send",
};

export const PROVENANCE = {
  documented: "FlowFlex documents it",
  "vendor-source": "Read in the source of FlowFlex's own SDK",
  assumed: "Nothing tells: an assumption of the fake",
};

export const iso = (at) => new Date(at * 1000).toISOString();
export const day = (at) => DAY.format(at * 1000);
export const time = (at) => TIME.format(at * 1000);
export const moment = (at) => MOMENT.format(at * 1000);
export const number = (value) => NUMBER.format(value);
export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

// The time of day, with the day before it where that is another one than today's.
export function timeOfDay(at, now) {
  return day(at) === day(now) ? time(at) : `${day(at)}, ${time(at)}`;
}

export function bytes(size) {
  if (size < 1024) return `${size} B`;
  const [value, unit] = size < 1024 ** 2 ? [size / 1024, "KB"] : [size / 1024 ** 2, "MB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

// Seconds in the two largest units that say something: "1 h 59 min".
export function span(seconds) {
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 3600), "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${number(count)} ${unit}`)
    .join(" ");
}

// Seconds that may be very few: "0.4 ms", "31 ms", "1.25 s".
export function duration(seconds) {
  const milliseconds = seconds * 1000;
  if (milliseconds < 0.05) return "under 0.1 ms";
  if (milliseconds < 9.95) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  return seconds < 99.995 ? `${seconds.toFixed(2)} s` : span(seconds);
}

export const speed = (rate) => (rate === 0 ? "frozen" : rate === 1 ? "real" : `×${number(rate)}`);
