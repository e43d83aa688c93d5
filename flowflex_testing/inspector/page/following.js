// Follows the fake's journal: asks again and again whether anything has changed, less often while nobody looks.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { showProblem } from "./telling.js";

const SOON = 500;
const HIDDEN = 5_000;
const LOST = [500, 1_000, 2_000, 5_000];

// Call `changed` with each reply that brings something new. The function that is returned asks at once.
export function follow(journal, changed) {
  let timer = null;
  let asking = false;
  let failures = 0;

  async function ask() {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    try {
      await takeNews();
      failures = 0;
      showConnection("live");
    } catch (error) {
      if (!(error instanceof api.Failure)) throw error;
      // What answers next may be another fake, with another journal.
      journal.forget();
      showConnection("lost", error.message);
      failures += 1;
    } finally {
      asking = false;
      timer = setTimeout(ask, failures ? LOST[Math.min(failures, LOST.length) - 1] : document.hidden ? HIDDEN : SOON);
    }
  }

  async function takeNews() {
    const reply = await api.journal(journal.cursor);
    if (reply === null) return;
    journal.take(reply);
    await changed(reply);
  }

  document.addEventListener("visibilitychange", () => document.hidden || ask());
  ask();
  return ask;
}

function showConnection(state, sentence) {
  const connection = byId("connection");
  if (connection.dataset.state === state) return;
  connection.dataset.state = state;
  connection.textContent = state === "live" ? "Live" : "Connection lost";
  showProblem(state === "live" ? "" : `${sentence} What is shown may be old; this page goes on trying.`);
}
