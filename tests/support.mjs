// What the Node and the browser tests share: the model in all its kinds of file, and the goldens.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../scripts/setup.mjs";

// What tests download is not kept where people keep theirs.
if (!process.env.PLUME_CACHE) {
  const folder = mkdtempSync(path.join(tmpdir(), "plume-cache-"));
  process.env.PLUME_CACHE = folder;
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
}

export const model = path.join(root, "www/models/plm-tiny");
/** Its shape, by the names of config.json. */
export const config = JSON.parse(readFileSync(path.join(model, "config.json"), "utf8"));
export const gguf = (kind) => path.join(root, `tests/data/plm-tiny-${kind}.gguf`);

/** The same weights as a folder of safetensors and as GGUF files: by kind, the path and the path on a test's server. */
export const KINDS = {
  BF16: { file: model + path.sep, url: "/models/plm-tiny/" },
  F16: { file: gguf("F16"), url: "/data/plm-tiny-F16.gguf" },
  Q8_0: { file: gguf("Q8_0"), url: "/data/plm-tiny-Q8_0.gguf" },
  Q4_0: { file: gguf("Q4_0"), url: "/data/plm-tiny-Q4_0.gguf" },
  Q4_K_M: { file: gguf("Q4_K_M"), url: "/data/plm-tiny-Q4_K_M.gguf" },
};

/** The kind that the package embeds. */
export const EMBEDDED = "Q8_0";

const goldens = JSON.parse(readFileSync(path.join(model, "goldens.json"), "utf8"));

/** The conversations of a kind, with the reference's replies. */
export const conversations = (kind) => goldens[kind];

/**
 * A fifth of a kind's conversations, for software GPUs, where all of them take minutes. Each kind takes another fifth,
 * so that together they are all; PLUME_FULL=1 takes every one of every kind.
 */
export function share(kind) {
  if (process.env.PLUME_FULL) return conversations(kind);
  const kinds = Object.keys(KINDS);
  return conversations(kind).filter((_, index) => index % kinds.length === kinds.indexOf(kind));
}

/** Below this lead over the runner-up a golden token is a tie, and rounding may decide it either way. */
const TIE = 1e-2;

/** The conversations of a kind whose every token is certain. */
export const certain = (kind) =>
  conversations(kind).filter(({ steps }) => steps.every(({ margins }) => margins.every((margin) => margin >= TIE)));

/** The bytes of each token: byte-level BPE writes byte b as a printable character. */
function tokenBytes() {
  const printable = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const bytes = new Map();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) bytes.set(String.fromCodePoint(printable(byte) ? byte : next++), byte);
  const { vocab } = JSON.parse(readFileSync(path.join(model, "tokenizer.json"), "utf8")).model;
  return new Map(Object.entries(vocab).map(([text, id]) => [id, [...text].map((character) => bytes.get(character))]));
}

/**
 * Checks replies to some of a kind's conversations, in the order of `greedyReplies`, against the goldens: equal, or equal
 * up to the first tie. Tells what was checked.
 */
export function checkGreedy(kind, asked, replies) {
  const vocabulary = tokenBytes();
  const expected = asked.flatMap(({ turns, steps }) => steps.map((step, index) => [turns[index], step]));
  assert.equal(replies.length, expected.length);
  let ties = 0;
  for (const [index, [turn, { ids, text, margins, prompt_ids }]] of expected.entries()) {
    const tie = margins.findIndex((margin) => margin < TIE);
    const found = replies[index];
    assert.equal(found.usage.prompt_tokens, prompt_ids.length, `${kind}: ${turn}`);
    if (tie < 0) {
      assert.equal(found.text, text, `${kind}: ${turn}`);
    } else {
      ties++;
      const certain = Buffer.from(ids.slice(0, tie).flatMap((id) => vocabulary.get(id))).toString("utf8");
      assert.ok(certain.length > 0 || tie === 0, `${kind}: ${turn}: the reference's tokens decode to text`);
      assert.equal(found.text.slice(0, certain.length), certain, `${kind}: ${turn}`);
    }
  }
  const left = conversations(kind).length - asked.length;
  const rest = left > 0 ? `; ${left} conversations left to other kinds (PLUME_FULL=1 takes all)` : "";
  return `${expected.length} replies equal the reference's, ${ties} of them up to a tie${rest}`;
}
