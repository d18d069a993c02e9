// How a reply is scored: 1 where it is what was expected, else 0.

/** Words in lower case, without punctuation. */
const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** Whether `text` has `phrase` as whole words, in the same case. */
function has(text, phrase) {
  const escaped = phrase.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, "u").test(text);
}

/** The value of a JSON text, or undefined. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const equal = (a, b) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
const sorted = (value) =>
  value === null || typeof value !== "object" || Array.isArray(value)
    ? value
    : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The entries of a list with numbers, bullets or commas. */
const entries = (text) =>
  (text.includes("\n") ? text.split("\n") : text.replace(/\.$/, "").split(", "))
    .map((line) => line.replace(/^(\d+\.|-) /, "").toLowerCase())
    .filter(Boolean);

const SCORES = {
  /** The very words. */
  is: (reply, expected) => reply === expected,
  /** The last number is this one. */
  number: (reply, expected) => reply.match(/-?\d+(?=\D*$)/)?.[0] === String(expected),
  /** Every one of these words. */
  has: (reply, expected) => expected.every((word) => has(reply, word)),
  /** A story that calls its hero by this name at once, and goes on doing so. */
  names: (reply, expected) => has(reply.slice(0, 160), expected) && reply.split(expected).length > 2,
  /** This value as JSON, in any order of keys. */
  json: (reply, expected) => equal(parsed(reply) ?? null, expected),
  /** As many entries as asked for, each of the kind asked for, none twice. */
  items: (reply, expected, { of }) => {
    const found = entries(reply);
    const known = new Set(of.map((item) => item.toLowerCase()));
    return found.length === expected && new Set(found).size === found.length && found.every((item) => known.has(item));
  },
};

/** Whether a reply is what the question expects. */
export function right(reply, expect) {
  const kind = Object.keys(expect).find((key) => key in SCORES);
  return SCORES[kind](reply, expect[kind], expect);
}

/** The runs of `length` words in a text. */
function runs(text, length) {
  const all = words(text);
  return all.slice(length - 1).map((_, index) => all.slice(index, index + length).join(" "));
}

/** The share of stories that are told anew: fewer than half of their runs of five words are in any one story before. */
export function distinct(stories) {
  const told = [];
  let anew = 0;
  for (const story of stories) {
    const now = new Set(runs(story, 5));
    const shares = (before) => [...now].filter((run) => before.has(run)).length / now.size;
    if (now.size > 0 && told.every((before) => shares(before) < 0.5)) anew++;
    told.push(now);
  }
  return anew / stories.length;
}

/** The share of runs of five words that a text has had before. */
export function repetition(text) {
  const all = runs(text, 5);
  return all.length === 0 ? 0 : (all.length - new Set(all).size) / all.length;
}
