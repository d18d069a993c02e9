// Other people's clients of OpenAI's interface, unchanged, with `lm.fetch` in the place of fetch.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import test from "node:test";
import { conversations, EMBEDDED } from "../support.mjs";
import { Project } from "./projects.mjs";

const prompt = "Tell me a story about a brave fox named Pip.";
const golden = conversations(EMBEDDED).find(({ turns }) => turns[0] === prompt).steps[0].text;

/** What a program prints, in a project with an example's files. */
function runIn(example, program = "main.mjs") {
  const project = new Project(example, example);
  if (program !== "main.mjs") writeFileSync(project.path("check.mjs"), program);
  const file = program === "main.mjs" ? program : "check.mjs";
  return execFileSync(process.execPath, [file], { cwd: project.folder, encoding: "utf8", timeout: 60_000 });
}

for (const example of ["openai", "ai-sdk", "langchain"])
  test(`the example of ${example} writes the story`, () => assert.equal(runIn(example), golden));

test("openai: whole replies, completions, models, errors by their classes, and aborts", () => {
  const output = runIn(
    "openai",
    `import assert from "node:assert/strict";
    import OpenAI from "openai";
    import { Plume } from "plume-lm";
    const lm = await Plume.load();
    const client = new OpenAI({ fetch: lm.fetch, apiKey: "none" });
    const messages = [{ role: "user", content: ${JSON.stringify(prompt)} }];
    const asked = { model: "plm-tiny", messages, temperature: 0 };
    const { choices, usage } = await client.chat.completions.create({ ...asked, logprobs: true, top_logprobs: 2, n: 2 });
    assert.equal(choices.length, 2);
    assert.equal(choices[1].message.content, choices[0].message.content);
    assert.equal(choices[0].logprobs.content.map(({ token }) => token).join(""), choices[0].message.content);
    const runner = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
    assert.equal(await runner.finalContent(), choices[0].message.content);
    assert.equal((await runner.finalChatCompletion()).usage.prompt_tokens, usage.prompt_tokens);
    const { choices: [{ text }] } = await client.completions.create({ model: "plm-tiny", prompt: "Once upon a time", max_tokens: 4, temperature: 0 });
    assert.match(text, /^, there/);
    assert.deepEqual((await client.models.list()).data.map(({ id }) => id), ["plm-tiny"]);
    assert.equal((await client.models.retrieve("plm-tiny")).id, "plm-tiny");
    await assert.rejects(client.chat.completions.create({ ...asked, tools: [] }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.match(error.message, /tools is not supported/);
      return true;
    });
    await assert.rejects(client.models.retrieve("gpt-4o"), OpenAI.NotFoundError);
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    let parts = 0;
    for await (const _ of stream) if (++parts === 3) stream.controller.abort();
    assert.equal(parts, 3);
    const signal = AbortSignal.timeout(30);
    await assert.rejects(client.chat.completions.create({ ...asked, n: 100 }, { signal }), OpenAI.APIUserAbortError);
    process.stdout.write((await client.chat.completions.create(asked)).choices[0].message.content);
    lm.dispose();`,
  );
  assert.equal(output, golden);
});

test("AI SDK: whole replies, the usage, and errors", () => {
  const output = runIn(
    "ai-sdk",
    `import assert from "node:assert/strict";
    import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
    import { APICallError, generateObject, generateText, jsonSchema, streamText } from "ai";
    import { Plume } from "plume-lm";
    const lm = await Plume.load();
    const plume = createOpenAICompatible({ name: "plume", baseURL: "http://plume/v1", fetch: lm.fetch, includeUsage: true });
    const model = plume("plm-tiny");
    const messages = [{ role: "user", content: ${JSON.stringify(prompt)} }];
    const { text, usage, finishReason } = await generateText({ model, messages, temperature: 0, seed: 1, maxOutputTokens: 400 });
    assert.equal(finishReason, "stop");
    assert.ok(usage.inputTokens > 10 && usage.outputTokens > 100);
    const streamed = streamText({ model, messages, temperature: 0, topP: 0.9, presencePenalty: 0, stopSequences: ["never"] });
    assert.equal(await streamed.text, text);
    assert.equal((await streamed.usage).outputTokens, usage.outputTokens);
    const person = { type: "object", properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 99 } }, required: ["name", "age"], additionalProperties: false };
    const structured = createOpenAICompatible({ name: "plume", baseURL: "http://plume/v1", fetch: lm.fetch, supportsStructuredOutputs: true });
    const { object } = await generateObject({ model: structured("plm-tiny"), schema: jsonSchema(person), prompt: "Who are you?", seed: 2 });
    assert.ok(typeof object.name === "string" && Number.isInteger(object.age), JSON.stringify(object));
    await assert.rejects(generateText({ model, prompt: "word ".repeat(600), maxRetries: 3 }), (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.match(error.message, /context/);
      return true;
    });
    const { text: short } = await generateText({ model, system: "You are a friendly assistant.", prompt: "Hello", maxOutputTokens: 4 });
    assert.ok(short.length > 0);
    process.stdout.write(text);
    lm.dispose();`,
  );
  assert.equal(output, golden);
});

test("LangChain: whole replies, the usage, batches, and errors", () => {
  const output = runIn(
    "langchain",
    `import assert from "node:assert/strict";
    import { ChatOpenAI } from "@langchain/openai";
    import { Plume } from "plume-lm";
    const lm = await Plume.load();
    const configuration = { baseURL: "http://plume/v1", fetch: lm.fetch };
    const model = new ChatOpenAI({ model: "plm-tiny", temperature: 0, apiKey: "none", configuration, maxRetries: 0 });
    const reply = await model.invoke([["system", "You are a friendly assistant."], ["human", "What is the capital of Japan?"]]);
    assert.ok(reply.usage_metadata.input_tokens > 10 && reply.usage_metadata.output_tokens > 0);
    assert.equal(reply.response_metadata.finish_reason, "stop");
    const [first, second] = await model.batch([${JSON.stringify(prompt)}, ${JSON.stringify(prompt)}]);
    assert.equal(first.text, second.text);
    const person = { title: "Person", type: "object", properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 99 } }, required: ["name", "age"], additionalProperties: false };
    const structured = model.withStructuredOutput(person, { name: "person", method: "jsonSchema" });
    const object = await structured.invoke("Who are you?");
    assert.ok(typeof object.name === "string" && Number.isInteger(object.age), JSON.stringify(object));
    await assert.rejects(model.invoke("word ".repeat(600)), /context/);
    process.stdout.write(first.text);
    lm.dispose();`,
  );
  assert.equal(output, golden);
});
