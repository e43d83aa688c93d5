// What the page knows of the fake's journal, and the items of its list: sends, and requests that belong to none.

export class Journal {
  #requests = new Map();
  #items = new Map();
  // The number of a request to the id of the item that it is in.
  #homes = new Map();
  #dropped = 0;
  #cursor = null;

  // What the fake is to be asked with for what is new; null asks for everything.
  get cursor() {
    return this.#cursor;
  }

  // How many requests that came before all others the fake keeps no more.
  get dropped() {
    return this.#dropped;
  }

  // Take in what is new. It may be everything: the fake has forgotten then, or is another one.
  take({ cursor, whole, dropped, requests, sends }) {
    if (whole) this.forget();
    this.#cursor = cursor;
    for (const request of requests) this.#requests.set(request.number, request);
    const items = [...sends.map((send) => this.#sendItem(send)), ...requests.filter(isLone).map(requestItem)];
    // A request is in one item alone: others that had one of these have come along, or are no more.
    for (const { number } of items.flatMap((item) => item.requests)) this.#items.delete(this.#homes.get(number));
    for (const item of items) {
      this.#items.set(item.id, item);
      for (const { number } of item.requests) this.#homes.set(number, item.id);
    }
    this.#drop(dropped, whole);
  }

  // Whoever lost only a part of its requests came along as another item.
  #drop(last, whole) {
    for (let number = this.#dropped + 1; number <= last && !whole; number += 1) {
      this.#items.delete(this.#homes.get(number));
      this.#homes.delete(number);
      this.#requests.delete(number);
    }
    this.#dropped = last;
  }

  forget() {
    this.#requests.clear();
    this.#items.clear();
    this.#homes.clear();
    this.#dropped = 0;
    this.#cursor = null;
  }

  // Newest first.
  items() {
    return [...this.#items.values()].sort((one, other) => other.number - one.number);
  }

  #sendItem(send) {
    const requests = send.requests.map((number) => this.#requests.get(number));
    const { id, state, at, tenant } = send;
    return { id, number: send.requests[0], state, at, title: titleOf(send, requests), tenant, send, requests };
  }
}

// What is for none of the operations belongs to no send.
const isLone = (request) => request.operation === null;

function titleOf({ event, files }, requests) {
  if (event !== null) return event;
  if (requests.some((request) => request.operation === "event")) return "Event without a name";
  const [name, ...others] = new Set(requests.map(({ filename }) => filename).filter(Boolean));
  return name && others.length === 0 && files.length <= 1 ? `Upload of ${name}` : "Upload";
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

// What a fault answered in place of FlowFlex has no code, and is no refusal.
const isFaults = ({ fault, code }) => fault !== null && code === "";
const isError = ({ status }) => status !== null && status >= 400;

export const isRefusal = (request) => isError(request) && !isFaults(request);
export const isStruck = (request) => isError(request) && isFaults(request);

// The answer of a request in a word.
export function answerOf({ reply, status }) {
  if (reply === null) return status === null ? "…" : String(status);
  if ("abort" in reply) return reply.abort === "reset" ? "reset" : "cut";
  return String(reply.status);
}

// The request that tells why an item ended as it did, where it was not delivered.
export function causeOf({ state, requests }) {
  if (state === "interrupted") {
    return requests.findLast((request) => isStruck(request) || !("status" in (request.reply ?? {})));
  }
  if (state === "failed-run") return requests.findLast((request) => request.operation === "event");
  return (state !== "delivered" && state !== "uploading" && requests.findLast(isRefusal)) || null;
}

// How long after `first` a request arrived, in real seconds, and how far the fake's clock had `moved` on, where that
// is another time. The real time between two processes of the fake is not known.
export function timeBetween(first, { at, arrived }) {
  const real = first.arrived === null || arrived === null ? null : Math.max(0, arrived - first.arrived);
  const moved = at - first.at;
  return { real, moved: moved - real < 1 ? 0 : moved };
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
