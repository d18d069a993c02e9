// Requests and replies are OpenAI's: fields, shapes, defaults, and errors that name the field.
import assert from "node:assert/strict";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { collect, rejects } from "../rejects.mjs";
import { config, conversations, EMBEDDED } from "../support.mjs";

const story = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];
const question = [{ role: "user", content: "What is the capital of Japan?" }];
const golden = (messages) =>
  conversations(EMBEDDED).find(({ turns }) => turns[0] === messages[0].content).steps[0].text;
const lm = await Plume.load(undefined, { device: "cpu" });
test.after(() => lm.dispose());

const create = (request, options) =>
  lm.chat.completions.create({ messages: question, temperature: 0, ...request }, options);

test("a whole reply has every field of OpenAI's", async () => {
  const { id, created, ...reply } = await create({ model: "gpt-4o" });
  assert.match(id, /^chatcmpl-\w{16,}$/);
  assert.ok(Math.abs(created - Date.now() / 1000) < 60);
  const { prompt_tokens, completion_tokens } = reply.usage;
  assert.ok(prompt_tokens > 10 && completion_tokens > 3);
  assert.deepEqual(reply, {
    object: "chat.completion",
    model: "plm-tiny",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: golden(question), refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: {
      ...{ prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
      prompt_tokens_details: { cached_tokens: reply.usage.prompt_tokens_details.cached_tokens },
    },
  });
});

test("a stream tells the usage only where it was asked for, in a part of its own", async () => {
  const plain = await collect(await create({ stream: true }));
  assert.ok(plain.every((part) => part.choices.length === 1 && !("usage" in part)));
  const parts = await collect(await create({ stream: true, stream_options: { include_usage: true } }));
  const last = parts.pop();
  assert.ok(parts.every((part) => part.choices.length === 1 && part.usage === null));
  assert.deepEqual(last.choices, []);
  const { usage } = await create({});
  assert.deepEqual({ ...last.usage, prompt_tokens_details: 0 }, { ...usage, prompt_tokens_details: 0 });
  const withoutIds = (parts) => parts.map(({ choices }) => choices);
  assert.deepEqual(withoutIds(parts), withoutIds(plain));
});

test("n replies are drawn with one seed after the other from a prompt that is read once", async () => {
  const sampled = { temperature: 0.9, messages: story, max_tokens: 24 };
  const one = async (seed) => (await create({ ...sampled, seed })).choices[0].message.content;
  const expected = [await one(5), await one(6), await one(7)];
  assert.equal(new Set(expected).size, 3);
  const { choices, usage } = await create({ ...sampled, seed: 5, n: 3 });
  assert.deepEqual(
    choices.map(({ message }) => message.content),
    expected,
  );
  assert.deepEqual(
    choices.map(({ index }) => index),
    [0, 1, 2],
  );
  assert.equal(usage.completion_tokens, 72);
  assert.equal(usage.prompt_tokens, (await create({ messages: story, max_tokens: 1 })).usage.prompt_tokens);
  const parts = await collect(await create({ ...sampled, seed: 5, n: 3, stream: true }));
  const texts = ["", "", ""];
  for (const { choices } of parts) texts[choices[0].index] += choices[0].delta.content ?? "";
  assert.deepEqual(texts, expected);
  assert.equal(parts.filter(({ choices }) => choices[0].finish_reason).length, 3);
  assert.equal(parts.filter(({ choices }) => choices[0].delta.role).length, 3);
});

test("logprobs tell each token, and are the same streamed and whole", async () => {
  const asked = { messages: story, logprobs: true, top_logprobs: 3, max_tokens: 40, temperature: 0.8, seed: 3 };
  const [choice] = (await create(asked)).choices;
  const { content, refusal } = choice.logprobs;
  assert.equal(refusal, null);
  assert.equal(content.length, 40);
  assert.equal(content.map(({ token }) => token).join(""), choice.message.content);
  for (const { token, logprob, bytes, top_logprobs } of content) {
    assert.equal(Buffer.from(bytes).toString(), token);
    assert.ok(logprob <= 0);
    assert.equal(top_logprobs.length, 3);
    const sorted = top_logprobs.map((top) => top.logprob);
    assert.deepEqual(
      sorted,
      sorted.toSorted((a, b) => b - a),
    );
    const chosen = top_logprobs.find((top) => top.token === token);
    if (chosen) assert.equal(chosen.logprob, logprob);
    else assert.ok(logprob <= sorted[2]);
    assert.ok(top_logprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0) <= 1.0001);
  }
  const parts = await collect(await create({ ...asked, stream: true }));
  const streamed = parts.flatMap(({ choices }) => choices[0].logprobs?.content ?? []);
  assert.deepEqual(streamed, content);
  assert.deepEqual((await create({ logprobs: true })).choices[0].logprobs.content[0].top_logprobs, []);
});

test("tokens that a stop string took away are not told", async () => {
  const whole = golden(story);
  const stop = whole.slice(40, 52);
  const [{ message, logprobs }] = (await create({ messages: story, stop, logprobs: true })).choices;
  assert.equal(message.content, whole.slice(0, whole.indexOf(stop)));
  const told = logprobs.content.map(({ token }) => token).join("");
  assert.ok(told.startsWith(message.content) && told.length < message.content.length + 12, told);
});

test("logit_bias forbids a token and forces another", async () => {
  const { choices } = await create({ logprobs: true, top_logprobs: 1, max_tokens: 1 });
  const first = choices[0].message.content;
  // The ids are the tokenizer's; tokens are found by trying, as nothing else tells them.
  const ids = Array.from({ length: config.vocab_size }, (_, id) => id);
  const text = async (id) =>
    (await lm.completions.create({ prompt: [[id]], max_tokens: 1, temperature: 0, logit_bias: { [id]: 100 } }))
      .choices[0].text;
  let id;
  for (id of ids) if ((await text(id)) === first) break;
  assert.equal(await text(id), first);
  const without = (await create({ logit_bias: { [id]: -100 }, max_tokens: 8 })).choices[0].message.content;
  assert.ok(!without.startsWith(first), without);
  const only = (await create({ logit_bias: { [id]: 100 }, max_tokens: 3 })).choices[0].message.content;
  assert.equal(only, first.repeat(3));
});

test("content in parts, and the names that newer clients use", async () => {
  const messages = [
    { role: "developer", content: "You are a friendly assistant." },
    {
      role: "user",
      content: [
        { type: "text", text: "What is the capital" },
        { type: "text", text: " of Japan?" },
      ],
    },
  ];
  const plain = [{ role: "system", content: messages[0].content }, question[0]];
  const expected = await create({ messages: plain, max_tokens: 6 });
  const found = await create({ messages, max_completion_tokens: 6, response_format: { type: "text" } });
  assert.equal(found.choices[0].message.content, expected.choices[0].message.content);
  assert.equal(found.usage.prompt_tokens, expected.usage.prompt_tokens);
});

test("null is a field that is not there", async () => {
  const fields =
    "stream stream_options max_tokens max_completion_tokens top_k top_p min_p repetition_penalty frequency_penalty presence_penalty logit_bias seed stop n logprobs top_logprobs response_format tools user".split(
      " ",
    );
  const reply = await create(Object.fromEntries(fields.map((field) => [field, null])));
  assert.equal(reply.choices[0].message.content, golden(question));
});

test("requests that cannot be served are refused by field", async () => {
  for (const [request, pattern] of [
    [{ tools: [] }, /^tools is not supported/],
    [{ user: "me" }, /^user is not supported/],
    [{ n: 0 }, /n is 0; expected a whole number from 1 to 128/],
    [{ n: 1.5 }, /n is 1.5/],
    [{ messages: undefined }, /messages/],
    [{ messages: [] }, /messages is empty/],
    [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }, /messages\[0\]\.content\[0\]/],
    [{ messages: [{ role: "user", content: [{ type: "text" }] }] }, /messages\[0\]\.content\[0\]\.text/],
    [{ messages: [{ role: 3, content: "hi" }] }, /messages\[0\]\.role/],
    [{ messages: [null] }, /messages\[0\]/],
    [{ messages: new Array(2) }, /messages\[0\]/],
    [{ messages: [{ role: "wizard", content: "hi" }] }, /messages\[0\]\.role is "wizard"/],
    [{ messages: [{ role: "user", content: "hi", tool_calls: [] }] }, /messages\[0\]\.tool_calls/],
    [{ messages: [{ role: "user", content: "hi", name: "Ann" }] }, /messages\[0\]\.name/],
    [{ stream: "false" }, /stream is false/],
    [{ stream_options: { include_usage: true } }, /stream_options/],
    [{ stream: true, stream_options: { include_obfuscation: true } }, /include_obfuscation/],
    [{ temperature: Object.create(null) }, /temperature/],
    [{ repetition_penalty: 1e-38 }, /repetition_penalty/],
    [{ temperature: -1 }, /temperature is -1/],
    [{ temperature: NaN }, /temperature/],
    [{ temperature: "warm" }, /temperature/],
    [{ top_p: 0 }, /top_p/],
    [{ top_p: 1.5 }, /top_p is 1.5/],
    [{ min_p: 2 }, /min_p is 2/],
    [{ top_k: 1.5 }, /top_k is 1.5/],
    [{ max_tokens: 0 }, /max_tokens is 0/],
    [{ max_tokens: -3 }, /max_tokens is -3/],
    [{ max_tokens: 3, max_completion_tokens: 4 }, /max_completion_tokens/],
    [{ seed: -1 }, /seed is -1/],
    [{ stop: [""] }, /stop/],
    [{ stop: [7] }, /stop/],
    [{ repetition_penalty: 0 }, /repetition_penalty/],
    [{ frequency_penalty: 2.5 }, /frequency_penalty is 2.5; expected -2 to 2/],
    [{ presence_penalty: "much" }, /presence_penalty/],
    [{ logprobs: 3 }, /logprobs is 3; expected true or false/],
    [{ top_logprobs: 3 }, /top_logprobs is there, but logprobs is not true/],
    [{ logprobs: true, top_logprobs: 21 }, /top_logprobs is 21; expected a whole number from 0 to 20/],
    [{ logit_bias: [] }, /logit_bias is a list/],
    [{ logit_bias: { Tokyo: 1 } }, /logit_bias has the key Tokyo/],
    [{ logit_bias: { 5: "1" } }, /logit_bias of token 5/],
    [{ logit_bias: { 1: 5, "01": -5 } }, /logit_bias has the key 01/],
    [{ logit_bias: { 5: 101 } }, /logit_bias of token 5 is 101; expected -100 to 100/],
    [{ logit_bias: { 5: NaN } }, /logit_bias of token 5/],
    [{ logit_bias: { 999999999: 1 } }, /logit_bias has token 999999999; the model knows \d+ tokens/],
    [{ response_format: { type: "yaml" } }, /response_format.type is yaml/],
    [{ prompt: "Once" }, /^prompt is not supported/],
  ])
    for (const stream of [undefined, true])
      if (!stream || !("stream" in request || "stream_options" in request))
        await rejects(
          create({ stream, ...request }).then((reply) => (stream ? collect(reply) : reply)),
          "invalid_request",
          pattern,
        );
  await rejects(lm.chat.completions.create(undefined), "invalid_request", /request/);
  assert.equal((await create({})).choices[0].message.content, golden(question));
});

test("completions go on with a text", async () => {
  const ask = (request) => lm.completions.create({ prompt: "Once upon a time", temperature: 0, ...request });
  const { id, created, ...reply } = await ask({ max_tokens: 4 });
  assert.match(id, /^cmpl-/);
  const { text } = reply.choices[0];
  assert.match(text, /^, there/);
  assert.deepEqual(
    { ...reply, usage: 0 },
    {
      object: "text_completion",
      model: "plm-tiny",
      choices: [{ index: 0, text, logprobs: null, finish_reason: "length" }],
      usage: 0,
    },
  );
  assert.equal((await ask({})).usage.completion_tokens, 16);
  const parts = await collect(await ask({ max_tokens: 4, stream: true, stream_options: { include_usage: true } }));
  const { prompt_tokens, completion_tokens } = parts.pop().usage;
  assert.deepEqual([prompt_tokens, completion_tokens], [reply.usage.prompt_tokens, 4]);
  assert.equal(parts.map(({ choices }) => choices[0].text).join(""), text);
  // Several prompts, and several texts of each.
  const several = await ask({ prompt: ["Once upon a time", "My name is"], n: 2, max_tokens: 4 });
  assert.deepEqual(
    several.choices.map(({ index }) => index),
    [0, 1, 2, 3],
  );
  assert.deepEqual(
    several.choices.slice(0, 2).map((choice) => choice.text),
    [text, text],
  );
  assert.equal(several.choices[2].text, several.choices[3].text);
  assert.notEqual(several.choices[2].text, text);
  // What it is of each token.
  const { tokens, token_logprobs, top_logprobs, text_offset } = (await ask({ max_tokens: 4, logprobs: 2 })).choices[0]
    .logprobs;
  assert.equal(tokens.join(""), text);
  for (const [index, token] of tokens.entries()) {
    assert.equal(text.slice(text_offset[index]).indexOf(token), 0);
    assert.equal(top_logprobs[index][token], token_logprobs[index]);
    assert.equal(Object.keys(top_logprobs[index]).length, 2);
  }
  for (const [request, pattern] of [
    [{ echo: true }, /^echo is not supported/],
    [{ best_of: 2 }, /^best_of is not supported/],
    [{ suffix: "." }, /^suffix is not supported/],
    [{ messages: story }, /^messages is not supported/],
    [{ prompt: undefined }, /^prompt is of type undefined/],
    [{ prompt: "" }, /^invalid request: prompt is empty|^prompt is empty/],
    [{ prompt: [] }, /prompt is an empty list/],
    [{ prompt: [[]] }, /prompt is a list/],
    [{ prompt: ["a", 3] }, /prompt is of type number/],
    [{ prompt: [3, 1e9] }, /prompt has token 1000000000/],
    [{ prompt: [3, -1] }, /prompt's token is -1/],
    [{ logprobs: 6 }, /logprobs is 6; expected a whole number from 0 to 5/],
  ])
    await rejects(ask(request), "invalid_request", pattern);
});

test("fetch answers as OpenAI's server does", async () => {
  const post = (path, body, init) =>
    lm.fetch(`https://api.openai.com/v1${path}`, { method: "POST", body: JSON.stringify(body), ...init });
  const asked = { messages: question, temperature: 0 };
  const whole = await post("/chat/completions", asked);
  assert.equal(whole.status, 200);
  assert.match(whole.headers.get("content-type"), /^application\/json/);
  assert.equal((await whole.json()).choices[0].message.content, golden(question));

  const stream = await post("/chat/completions", { ...asked, stream: true });
  assert.match(stream.headers.get("content-type"), /^text\/event-stream/);
  const events = (await stream.text()).split("\n\n");
  assert.deepEqual(events.slice(-2), ["data: [DONE]", ""]);
  const parts = events.slice(0, -2).map((event) => JSON.parse(event.replace(/^data: /, "")));
  assert.equal(parts.map(({ choices }) => choices[0].delta.content ?? "").join(""), golden(question));

  const completion = await post("/completions", { prompt: "Once upon a time", temperature: 0, max_tokens: 4 });
  assert.match((await completion.json()).choices[0].text, /^, there/);

  // Behind a path that has "models" in it.
  const behind = await lm.fetch("https://any/models/owner/m/v1/completions", {
    method: "POST",
    body: JSON.stringify({ prompt: "Once", max_tokens: 1 }),
  });
  assert.equal(behind.status, 200);
  assert.equal((await lm.fetch("https://any/%/v1/nothing")).status, 404);

  // A Request, a body of bytes, and an address that is a path.
  const request = new Request("http://localhost/any/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify(asked),
  });
  assert.equal((await (await lm.fetch(request)).json()).choices[0].message.content, golden(question));
  const bytes = new TextEncoder().encode(JSON.stringify(asked));
  assert.equal((await lm.fetch("/v1/chat/completions", { method: "POST", body: bytes })).status, 200);

  const models = await (await lm.fetch("https://any/v1/models")).json();
  assert.deepEqual([models.object, models.data.map(({ id }) => id)], ["list", ["plm-tiny"]]);
  assert.equal((await (await lm.fetch("https://any/v1/models/plm-tiny")).json()).object, "model");

  for (const [path, init, status, code, pattern] of [
    ["/v1/models/gpt-4o", {}, 404, "model_not_found", /gpt-4o is not loaded; plm-tiny is/],
    ["/v1/embeddings", { method: "POST", body: "{}" }, 404, "unknown_url", /POST \/v1\/embeddings/],
    ["/v1/chat/completions", {}, 405, "method_not_allowed", /expected POST/],
    ["/v1/chat/completions", { method: "POST", body: "{" }, 400, "invalid_request", /not JSON/],
    ["/v1/chat/completions", { method: "POST", body: "[]" }, 400, "invalid_request", /not an object/],
    ["/v1/chat/completions", { method: "POST" }, 400, "invalid_request", /not JSON/],
    ["/v1/chat/completions", { method: "POST", body: '{"messages":[]}' }, 400, "invalid_request", /messages is empty/],
  ]) {
    const answer = await lm.fetch(`https://any${path}`, init);
    assert.deepEqual([answer.status, answer.headers.get("x-should-retry")], [status, "false"], path);
    const { error } = await answer.json();
    assert.deepEqual([error.type, error.code], ["invalid_request_error", code]);
    assert.match(error.message, pattern);
  }
  // What shows only when the prompt is read is an answer of its own too, not a stream that breaks.
  const long = [{ role: "user", content: "word ".repeat(config.max_position_embeddings) }];
  for (const stream of [false, true]) {
    const answer = await post("/chat/completions", { messages: long, stream });
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).error.code, "context_length_exceeded");
  }
});

test("fetch is aborted as fetch is", async () => {
  const body = JSON.stringify({ messages: story, temperature: 0, stream: true });
  const url = "https://any/v1/chat/completions";
  const before = lm.fetch(url, { method: "POST", body, signal: AbortSignal.abort() });
  await assert.rejects(before, { name: "AbortError" });
  const abort = new AbortController();
  const answer = await lm.fetch(url, { method: "POST", body, signal: abort.signal });
  const reader = answer.body.getReader();
  await reader.read();
  abort.abort();
  await assert.rejects(
    (async () => {
      while (!(await reader.read()).done);
    })(),
    { name: "AbortError" },
  );
  // A reader that goes away frees the model, also while the prompt is read.
  const long = JSON.stringify({ messages: [{ role: "user", content: "word ".repeat(400) }], stream: true });
  const reading = await lm.fetch(url, { method: "POST", body: long });
  const unread = reading.body.getReader();
  await unread.read();
  const second = unread.read();
  await unread.cancel();
  await second;
  await (await lm.fetch(url, { method: "POST", body })).body.cancel();
  assert.equal((await create({})).choices[0].message.content, golden(question));
});
