// What plm-tiny knows and can do, asked of the package in Node, in every kind of file: questions that training never saw (made by
// www/models/plm-tiny/training/corpus/questions.py), stories at temperature 0.8, and the perplexity of held-out replies.
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "../../scripts/build.mjs";
import { root } from "../../scripts/setup.mjs";
import { distinct, parsed, repetition, right } from "./score.mjs";

export const options = {
  folder: { type: "string" },
  formats: { type: "string", default: "BF16,Q8_0,Q4_K_M,Q4_0" },
  wrong: { type: "boolean" },
};

/** Stories told at temperature 0.8. */
const STORIES = 50;
const STORY_TOKENS = 400;
const FORMAT_OF_THE_PACKAGE = "Q8_0";

const { questions, texts } = JSON.parse(readFileSync(new URL("questions.json", import.meta.url), "utf8"));

/** The completion, or undefined where the conversation does not fit in the model's context. */
const completion = (lm, request, options) =>
  lm.chat.completions.create(request, options).catch((error) => {
    if (error.code !== "context_full") throw error;
  });

/** Asks each turn in turn, with the model's own replies between them, and gives the last. */
async function replyTo(lm, turns) {
  const messages = [];
  for (const content of turns) {
    messages.push({ role: "user", content });
    const reply = await completion(lm, { messages, temperature: 0, max_tokens: STORY_TOKENS });
    if (!reply) return "";
    messages.push(reply.choices[0].message);
  }
  return messages.at(-1).content;
}

/** The mean, where true is 1. */
const mean = (values) => values.reduce((sum, value) => sum + Number(value), 0) / values.length;

/** The scores of every kind of question, and what goes by replies of several kinds. */
async function scores(lm, wrong) {
  const replies = new Map();
  for (const question of questions) {
    const reply = await replyTo(lm, question.turns);
    const good = right(reply, question.expect);
    if (!good && wrong)
      console.log(`${question.kind}: ${question.turns.join(" | ")}\n  ${reply}\n  ${JSON.stringify(question.expect)}`);
    const of = replies.get(question.kind) ?? [];
    replies.set(question.kind, [...of, { good, reply }]);
  }
  const rows = [...replies].map(([kind, of]) => ({ kind, score: mean(of.map(({ good }) => good)) }));
  rows.push({
    kind: "JSON that is valid",
    score: mean(replies.get("JSON").map(({ reply }) => parsed(reply) !== undefined)),
  });
  const told = replies.get("copying a name").map(({ reply }) => reply);
  rows.push({ kind: "distinct stories to 60 requests, greedy", score: distinct(told) });
  rows.push({
    kind: "repetition in a greedy reply",
    score: mean([...replies.values()].flat().map(({ reply }) => repetition(reply))),
  });
  return rows;
}

/** How many stories are told anew, and how much they repeat themselves. */
async function stories(lm) {
  const messages = [{ role: "user", content: "Tell me a story." }];
  const told = [];
  for (let seed = 1; seed <= STORIES; seed++) {
    const { choices } = await lm.chat.completions.create({
      messages,
      temperature: 0.8,
      seed,
      max_tokens: STORY_TOKENS,
    });
    told.push(choices[0].message.content);
  }
  return [
    { kind: "distinct stories at 0.8", score: distinct(told) },
    { kind: "repetition in a story at 0.8", score: mean(told.map(repetition)) },
  ];
}

/**
 * Perplexity of held-out replies: exp of the mean of -ln p over their tokens, each after what came before it. A grammar that has
 * only the reply makes the model write it; the probabilities told are those before the grammar.
 */
async function measured(lm) {
  let [loss, tokens, passes] = [0, 0, 0];
  let density = [];
  const onStep = (step) => {
    passes++;
    density = step.density.map((share, layer) => share + (density[layer] ?? 0));
  };
  for (const messages of texts)
    for (const [index, { role, content }] of messages.entries()) {
      if (role !== "assistant") continue;
      const request = {
        messages: messages.slice(0, index),
        response_format: { type: "grammar", grammar: `start: ${JSON.stringify(content)}` },
        logprobs: true,
        temperature: 0,
        max_tokens: 800,
      };
      const reply = await completion(lm, request, { onStep });
      if (!reply) break;
      const { choices } = reply;
      if (!content.startsWith(choices[0].message.content))
        throw new Error(`not the reply: ${choices[0].message.content}`);
      for (const { logprob } of choices[0].logprobs.content) {
        loss -= logprob;
        tokens++;
      }
    }
  return { perplexity: Math.exp(loss / tokens), zeros: density.map((sum) => 1 - sum / passes) };
}

export async function run({ folder, formats, wrong }) {
  await build();
  const { Plume } = await import(pathToFileURL(path.join(root, "build/plume-lm/dist/node.js")).href);
  const rows = [];
  let embedded;
  for (const format of formats.split(",")) {
    const data = folder ?? path.join(root, "tests/data");
    const file =
      format === "BF16"
        ? `${folder ?? path.join(root, "www/models/plm-tiny")}/`
        : path.join(data, `plm-tiny-${format}.gguf`);
    const lm = await Plume.load(file, { device: "cpu" });
    const { perplexity, zeros } = await measured(lm);
    const found = [
      ...(await scores(lm, wrong)),
      ...(await stories(lm)),
      { kind: "perplexity of replies", score: perplexity },
    ];
    rows.push(...found.map((row) => ({ ...row, format })));
    if (format === FORMAT_OF_THE_PACKAGE || !embedded) embedded = { perplexity, zeros };
    lm.dispose();
  }
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  const table = kinds.map((kind) => {
    const of = rows.filter((row) => row.kind === kind).map(({ format, score }) => [format, Number(score.toFixed(3))]);
    return [kind, Object.fromEntries(of)];
  });
  console.table(Object.fromEntries(table));
  console.log(`zeros by layer: ${embedded.zeros.map((share) => share.toFixed(3)).join(", ")}`);
  return { suite: "eval", model: "plm-tiny", rows, ...embedded };
}
