// Buttons that put a text on the clipboard.

import { element } from "./dom.js";
import { tell } from "./telling.js";

const SHOWN_FOR = 2000;

export function copyButton(label, text) {
  const button = element("button", { type: "button", class: "copy" }, label);
  button.addEventListener("click", () => copy(button, text));
  return button;
}

// A browser gives the clipboard only to pages of this machine, and only as its user allows.
export async function copy(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    tell("The browser gave no access to the clipboard: select the text and copy it.");
    return;
  }
  button.textContent = "Copied";
  tell("Copied");
  setTimeout(() => (button.textContent = label), SHOWN_FOR);
}
