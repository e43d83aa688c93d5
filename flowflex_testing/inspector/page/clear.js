// Makes the fake forget everything, after a question.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { attempt, tell } from "./telling.js";

export function watchClear(cleared) {
  const question = byId("clear");
  byId("open-clear").addEventListener("click", () => question.showModal());
  byId("clear-now").addEventListener("click", () =>
    attempt(question, async () => {
      await api.reset();
      question.close();
      cleared();
      tell("Everything is forgotten");
    }),
  );
}
