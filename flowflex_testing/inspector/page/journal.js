// What the page knows of the fake's journal, and the items of its list: sends, and requests that belong to none.

// An answer that takes longer than so many requests after it is not waited for.
const PATIENCE = 200;

export class Journal {
  #requests = new Map();
  #unanswered = new Set();
  #highest = 0;
  #sends = [];
  #dropped = 0;
  #etag = null;

  // Only what comes after this number can have changed. The last request is asked for again, to see whether it is
  // still the same.
  get after() {
    const waitedFor = [...this.#unanswered].filter((number) => number > this.#highest - PATIENCE);
    return Math.max(0, Math.min(this.#highest, ...waitedFor) - 1);
  }

  get etag() {
    return this.#etag;
  }

  // Take a reply in, and return whether the journal is whole. It is not where the fake has forgotten, or is another
  // one, since the last reply: then all is to be asked for again.
  take(reply) {
    const last = this.#requests.get(this.#highest);
    if (last && !reply.requests.some((request) => isSame(request, last))) {
      this.forget();
      return false;
    }
    for (const request of reply.requests) this.#takeRequest(request);
    this.#drop(reply.dropped);
    this.#sends = reply.sends;
    this.#etag = reply.etag;
    return true;
  }

  #takeRequest(request) {
    const { number, status, reply } = request;
    this.#requests.set(number, request);
    this.#highest = Math.max(this.#highest, number);
    if (status === null && reply === null) this.#unanswered.add(number);
    else this.#unanswered.delete(number);
  }

  // What the fake keeps no more is gone here, too: nothing there tells to which send it belonged.
  #drop(last) {
    for (let number = this.#dropped + 1; number <= last; number += 1) {
      this.#requests.delete(number);
      this.#unanswered.delete(number);
    }
    this.#dropped = last;
  }

  // How many requests that came before all others the fake keeps no more.
  get dropped() {
    return this.#dropped;
  }

  forget() {
    this.#dropped = 0;
    this.#requests.clear();
    this.#unanswered.clear();
    this.#highest = 0;
    this.#sends = [];
    this.#etag = null;
  }

  // Newest first.
  items() {
    const taken = new Set(this.#sends.flatMap((send) => send.requests));
    const lone = [...this.#requests.values()].filter((request) => !taken.has(request.number));
    return [...this.#sends.map((send) => this.#sendItem(send)), ...lone.map(requestItem)].sort(
      (one, other) => other.number - one.number,
    );
  }

  #sendItem(send) {
    const requests = send.requests.map((number) => this.#requests.get(number));
    const { id, state, at, tenant } = send;
    return { id, number: send.requests[0], state, at, title: titleOf(send, requests), tenant, send, requests };
  }
}

function titleOf({ event, files }, requests) {
  if (event !== null) return event;
  if (requests.some((request) => request.operation === "event")) return "Event without a name";
  return files.length === 1 ? `Upload of ${files[0].filename}` : "Upload";
}

function isSame(one, other) {
  const marks = ({ number, at, method, target, headers }) => JSON.stringify([number, at, method, target, headers]);
  return marks(one) === marks(other);
}

function requestItem(request) {
  return {
    id: `request-${request.number}`,
    number: request.number,
    state: "other",
    at: request.at,
    title: `${request.method} ${pathOf(request)}`,
    tenant: request.tenant,
    send: null,
    requests: [request],
  };
}

export const pathOf = (request) => request.target.split("?", 1)[0];

export const isRefusal = (request) => request.status !== null && request.status >= 400;

// The request that tells why an item ended as it did, where it was not delivered.
export function causeOf({ state, requests }) {
  if (state === "interrupted") return requests.findLast((request) => !("status" in (request.reply ?? {})));
  if (state === "failed-run") return requests.findLast((request) => request.operation === "event");
  return (state !== "delivered" && state !== "uploading" && requests.findLast(isRefusal)) || null;
}

// The item that `id` names. Uploads without an event are one send until events take them, so that the send which an
// old id named may now begin with another request.
export function find(items, id) {
  const number = Number(id.split("-")[1]);
  return (
    items.find((item) => item.id === id) ??
    items.find((item) => item.requests.some((request) => request.number === number)) ??
    null
  );
}
