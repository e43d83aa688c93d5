// The requests that this page makes of the fake.

const TIMEOUT = 10_000;
// All of a journal may be tens of megabytes.
const TIMEOUT_OF_ALL = 60_000;

// The fake did not answer, or refused; the message is one sentence.
export class Failure extends Error {}

async function call(path, options = {}, timeout = TIMEOUT) {
  try {
    return await fetch(`/_fake/${path}`, { ...options, signal: AbortSignal.timeout(timeout) });
  } catch {
    throw new Failure("The fake does not answer.");
  }
}

// What is sent as JSON is no form of another website: the fake refuses changes that are sent in any other way.
async function change(method, path, value = {}) {
  const response = await call(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: method === "POST" ? JSON.stringify(value) : undefined,
  });
  if (!response.ok) throw new Failure(await sentence(response));
  return response.status === 204 ? null : response.json();
}

async function sentence(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `The fake answered ${response.status}.`;
  }
}

async function read(path) {
  const response = await call(path);
  if (!response.ok) throw new Failure(await sentence(response));
  return response.json();
}

// What is new since `cursor` was given, or everything where it is null; null where nothing is.
export async function journal(cursor) {
  const response = cursor
    ? await call(`journal?since=${cursor}`, { headers: { "If-None-Match": `"${cursor}"` } })
    : await call("journal", {}, TIMEOUT_OF_ALL);
  if (response.status === 304) return null;
  if (!response.ok) throw new Failure(await sentence(response));
  return response.json();
}

export const health = () => read("health");
export const clock = () => read("clock");
export const setClock = (value) => change("POST", "clock", value);
export const faults = () => read("faults");
export const arm = (value) => change("POST", "faults", value);
export const disarm = (id) => change("DELETE", `faults/${id}`);
export const disarmAll = () => change("DELETE", "faults");
export const reset = () => change("POST", "reset");
export const assetUrl = (id) => `/_fake/assets/${encodeURIComponent(id)}`;
