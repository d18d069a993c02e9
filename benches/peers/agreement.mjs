// Whether Plume and wllama (llama.cpp) write the same greedy replies from the same GGUF in the same Chromium.
// llama.cpp multiplies F16 weights with rounded activations and Q8_0 and Q4_0 weights with 8-bit ones, so near ties may go
// either way there; Plume keeps activations in f32. What counts is the first token, and where texts part.
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../scripts/setup.mjs";
import { openPage, prepare } from "./browser.mjs";

const goldens = JSON.parse(readFileSync(path.join(root, "www/models/plm-tiny/goldens.json"), "utf8"));

/** Runs in the page: the greedy reply to each question, in the parts that came, one a token. */
async function replies({ engine, questions }) {
  const { load } = await import(`/benches/${engine}.mjs`);
  const { stream } = await load("/model.gguf", "gpu");
  const replies = [];
  for (const content of questions) {
    let text = "";
    let first;
    for await (const part of await stream([{ role: "user", content }], 160)) {
      const delta = part.choices[0]?.delta?.content ?? "";
      if (delta) first ??= delta;
      text += delta;
    }
    replies.push({ first, text });
  }
  return replies;
}

export async function run() {
  await prepare();
  const rows = [];
  for (const kind of ["F16", "Q8_0", "Q4_0"]) {
    const questions = goldens[kind].map(({ turns }) => turns[0]);
    const found = {};
    for (const engine of ["plume", "wllama"]) {
      const { page, close } = await openPage(path.join(root, `tests/data/plm-tiny-${kind}.gguf`));
      found[engine] = await page.evaluate(replies, { engine, questions }).finally(close);
    }
    const count = (same) => found.plume.filter((ours, index) => same(ours, found.wllama[index])).length;
    rows.push({
      format: kind,
      questions: questions.length,
      same_first_token: count((a, b) => a.first === b.first),
      same_reply: count((a, b) => a.text === b.text),
    });
    for (const [index, question] of questions.entries()) {
      const [ours, theirs] = [found.plume[index].text, found.wllama[index].text].map((text) => text.split(" "));
      const at = ours.findIndex((word, index) => word !== theirs[index]);
      const near = (words) => words.slice(Math.max(at - 3, 0), at + 4).join(" ");
      if (at >= 0) console.log(`${kind}, ${question}\n  word ${at}: plume "${near(ours)}", wllama "${near(theirs)}"`);
    }
  }
  console.table(rows);
  return { suite: "agreement", model: "plm-tiny", rows };
}
