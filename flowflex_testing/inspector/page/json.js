// JSON as it was written: with the order of its keys, keys that stand twice, and each number in its own spelling, which
// the values that a browser makes of it do not keep. Only strings are spelled anew, with no more escapes than they
// need: a client may have written "\u00c5sa" for "Åsa".

// As deep as FlowFlex looks for files; the indentation of what goes deeper would be longer than the text.
const DEEPEST = 64;

const OPEN = { __proto__: null, "[": "[]", "{": "{}" };
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]|[^\s,:{}[\]"]+/g;

// The value in `text`: a leaf is its `text`; a list, and an object, is its two `brackets` around `entries`, each a
// `value` after its `key` (null in a list). Keys and leaves are JSON, too. It is null where there is no JSON, or too
// deep.
export function readJson(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const whole = { brackets: "[]", entries: [] };
  const open = [whole];
  let key = null;
  for (const [written] of text.matchAll(TOKEN)) {
    const token = written[0] === '"' ? JSON.stringify(JSON.parse(written)) : written;
    const inside = open.at(-1);
    if (token === "}" || token === "]") {
      open.pop();
    } else if (inside.brackets === "{}" && key === null) {
      key = token;
    } else {
      const value = token in OPEN ? { brackets: OPEN[token], entries: [] } : { text: token };
      inside.entries.push({ key, value });
      key = null;
      if (value.entries) open.push(value);
      if (open.length > DEEPEST) return null;
    }
  }
  return whole.entries[0].value;
}

// The text of what was read, over indented lines.
export function indented(value, indent = "\n") {
  if (!value.entries) return value.text;
  const [first, last] = value.brackets;
  const inner = `${indent}  `;
  const lines = value.entries.map(({ key, value }) => (key === null ? "" : `${key}: `) + indented(value, inner));
  return lines.length ? first + inner + lines.join(`,${inner}`) + indent + last : first + last;
}
