// What is said aloud by a screen reader, and what everybody is to see: news, and problems.

import { Failure } from "./api.js";
import { byId } from "./dom.js";

export function tell(text) {
  // A new node is told anew, though its text may be the same.
  byId("news").replaceChildren(text);
}

// A problem stays until what caused it is over; an empty text ends it.
export function showProblem(text) {
  const problem = byId("problem");
  problem.hidden = !text;
  problem.textContent = text;
}

// Do what a control of `dialog` asks for, and show there what went wrong.
export async function attempt(dialog, action) {
  const error = dialog.querySelector(".error");
  error.hidden = true;
  try {
    await action();
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    error.textContent = failure.message;
    error.hidden = false;
  }
}
