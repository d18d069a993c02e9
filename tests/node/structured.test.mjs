// Replies keep to the schema or grammar that they are asked for, whatever is drawn; another validator says so.
import assert from "node:assert/strict";
import test from "node:test";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { Plume, PlumeError } from "../../build/plume-lm/dist/node.js";
import { random } from "../soak.mjs";
import { conversations, EMBEDDED } from "../support.mjs";

const lm = await Plume.load(undefined, { device: "cpu" });
test.after(() => lm.dispose());
const ajv = addFormats(new Ajv({ strict: false }));

const create = (request) =>
  lm.chat.completions.create({
    messages: [{ role: "user", content: "Tell me of a fox." }],
    temperature: 1,
    ...request,
  });
const format = (schema) => ({ type: "json_schema", json_schema: { name: "test", schema } });

/** A random schema, of bounded depth and with bounded values, so that replies come to an end within the context. */
function schemaOf(next, depth) {
  const pick = (list) => list[Math.floor(next() * list.length)];
  const leaves = [
    () => ({ type: "boolean" }),
    () => ({ type: "null" }),
    () => ({ type: "integer", minimum: Math.floor(next() * 50) - 25, maximum: Math.floor(next() * 1000) + 30 }),
    () => ({ type: "integer", exclusiveMinimum: 3, exclusiveMaximum: 5 + Math.floor(next() * 100) }),
    () => ({ type: "integer", minimum: 0, maximum: 100, multipleOf: pick([2, 5, 10]) }),
    () => ({ type: "string", minLength: Math.floor(next() * 3), maxLength: 3 + Math.floor(next() * 8) }),
    () => ({
      type: "string",
      pattern: pick(["^[a-z]{2,6}$", "^(red|green)-[0-9]{1,3}$", "^[A-Z][a-z]? x*y$"]),
      maxLength: 20,
    }),
    () => ({ type: "string", format: pick(["date", "time", "date-time", "ipv4", "uuid"]) }),
    () => ({ enum: [pick(["fox", "owl", 'a"b\\c', "é\n"]), 7, null, { a: [1] }].slice(0, 1 + Math.floor(next() * 4)) }),
    () => ({ const: pick(["Pip", 12, false, [1, "two"]]) }),
  ];
  const inner = () => schemaOf(next, depth - 1);
  const nodes = [
    () => ({ type: "array", items: inner(), minItems: Math.floor(next() * 2), maxItems: 1 + Math.floor(next() * 3) }),
    () => ({ type: "array", prefixItems: [inner(), inner()], items: false, minItems: 2 }),
    () => ({ anyOf: [inner(), inner()] }),
    () => {
      const names = ["name", "the age", "tags", "é", "x-y"].slice(0, 1 + Math.floor(next() * 5));
      const properties = Object.fromEntries(names.map((name) => [name, inner()]));
      return { type: "object", properties, required: names.filter(() => next() < 0.7), additionalProperties: false };
    },
    () => ({
      $defs: { part: inner() },
      type: "object",
      properties: { a: { $ref: "#/$defs/part" } },
      required: ["a"],
      additionalProperties: false,
    }),
  ];
  return depth === 0 || next() < 0.2 ? pick(leaves)() : pick(nodes)();
}

test("300 random schemas and seeds: every reply that ends by itself validates", async (t) => {
  const next = random(1);
  let whole = 0;
  for (let seed = 0; seed < 300; seed++) {
    let schema = schemaOf(next, 3);
    // References are to the root.
    if (/\$ref/.test(JSON.stringify(schema)) && !("$defs" in schema)) schema = schemaOf(next, 0);
    if ((JSON.stringify(schema).match(/\$defs/g) ?? []).length > 1) schema = schemaOf(next, 0);
    const temperature = seed % 3;
    const penalties = seed % 5 === 0 ? { repetition_penalty: 1.3, frequency_penalty: 1 } : {};
    const filters = seed % 4 === 0 ? { top_k: 20, top_p: 0.9, min_p: 0.01 } : {};
    const request = { response_format: format(schema), temperature, seed, ...penalties, ...filters };
    const [{ message, finish_reason }] = (await create(request)).choices;
    if (finish_reason === "length") continue;
    whole++;
    const value = JSON.parse(message.content);
    assert.ok(ajv.validate(schema, value), `${JSON.stringify(schema)}: ${message.content}: ${ajv.errorsText()}`);
  }
  t.diagnostic(`${whole} of 300 ended by themselves`);
  assert.ok(whole > 250);
});

test("json_object writes an object, streamed as whole", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const request = { response_format: { type: "json_object" }, seed, temperature: 0.5 };
    const [{ message, finish_reason }] = (await create(request)).choices;
    let text = "";
    for await (const part of await create({ ...request, stream: true })) text += part.choices[0].delta.content ?? "";
    assert.equal(text, message.content);
    if (finish_reason === "stop") assert.equal(Object.getPrototypeOf(JSON.parse(text)), Object.prototype);
    else assert.match(text, /^\{/);
  }
});

test("a grammar in Lark's notation", async () => {
  const grammar = 'start: "The " animal " is " /[a-z]{3,8}/ "."\nanimal: "fox" | "owl"';
  const pattern = /^The (fox|owl) is [a-z]{3,8}\.$/;
  const found = new Set();
  for (let seed = 0; seed < 20; seed++) {
    const [{ message, finish_reason }] = (await create({ response_format: { type: "grammar", grammar }, seed }))
      .choices;
    assert.match(message.content, pattern);
    assert.equal(finish_reason, "stop");
    found.add(message.content);
  }
  assert.ok(found.size > 5, `${found.size} texts`);
});

test("logprobs are the model's own, several replies are each whole, and max_tokens cuts", async () => {
  const schema = {
    type: "object",
    properties: { ok: { type: "boolean" } },
    required: ["ok"],
    additionalProperties: false,
  };
  const { choices } = await create({ response_format: format(schema), n: 3, logprobs: true, top_logprobs: 1, seed: 4 });
  for (const { message, logprobs } of choices) {
    assert.ok(ajv.validate(schema, JSON.parse(message.content)));
    assert.equal(logprobs.content.map(({ token }) => token).join(""), message.content);
    // The model would have written something else.
    assert.ok(logprobs.content.some(({ logprob, top_logprobs }) => logprob < top_logprobs[0].logprob));
  }
  const [cut] = (await create({ response_format: format(schema), max_tokens: 2 })).choices;
  assert.equal(cut.finish_reason, "length");
});

test("what cannot be kept to is refused, by name, and loses nothing", async () => {
  for (const [response_format, pattern] of [
    [{ type: "json_schema" }, /expected an object/],
    [
      format(undefined) && { type: "json_schema", json_schema: { schema: {} } },
      /json_schema.name is of type undefined/,
    ],
    [{ type: "json_schema", json_schema: { name: "a", schema: { minimum: 1n } } }, /schema is no JSON/],
    [{ type: "json_schema", json_schema: { name: "a", schema: [] } }, /schema is a list/],
    [{ type: "json_schema", json_schema: { name: "a", schema: {}, strict: "yes" } }, /strict is yes/],
    [{ type: "json_schema", json_schema: { name: "a", schema: {}, version: 2 } }, /version is not supported/],
    [format({ type: "object", unevaluatedProperties: false }), /unevaluatedProperties/],
    [format({ type: "string", pattern: "(?=a)b" }), /look-around/],
    [format({ type: 3 }), /type must be/],
    [format({ $ref: "https://example.com/schema.json" }), /response_format: /],
    [format({ type: "integer", minimum: 5, maximum: 3 }), /response_format: /],
    [{ type: "grammar" }, /response_format.grammar is of type undefined/],
    [{ type: "grammar", grammar: 'start: "a" | foo' }, /unknown name: "foo"/],
    [{ type: "grammar", grammar: "" }, /response_format: /],
    [{ type: "json_object", schema: {} }, /schema is not supported/],
  ])
    await assert.rejects(create({ response_format }), (error) => {
      assert.ok(error instanceof PlumeError, String(error));
      assert.equal(error.code, "invalid_request");
      assert.match(error.message, pattern);
      return true;
    });
  const { turns, steps } = conversations(EMBEDDED)[0];
  const reply = await create({ messages: [{ role: "user", content: turns[0] }], temperature: 0 });
  assert.equal(reply.choices[0].message.content, steps[0].text);
});

test("schemas that would take for ever end in an error", async () => {
  const deep = (depth) =>
    depth === 0 ? { type: "string" } : { anyOf: [deep(depth - 1), deep(depth - 1), { const: depth }] };
  const wide = Object.fromEntries(
    Array.from({ length: 2000 }, (_, index) => [`p${index}`, { type: "string", pattern: "(a|aa)+$" }]),
  );
  const started = performance.now();
  for (const schema of [
    deep(12),
    { type: "object", properties: wide },
    { type: "string", pattern: "^((a{1,300}){1,300}){1,300}$" },
    { type: "array", minItems: 1e9, items: { type: "null" } },
  ]) {
    const outcome = await create({ response_format: format(schema), max_tokens: 4 }).then(
      () => "written",
      ({ code }) => code,
    );
    assert.ok(["written", "invalid_request"].includes(outcome), outcome);
  }
  assert.ok(performance.now() - started < 60_000);
  assert.ok((await create({ max_tokens: 3 })).choices[0].message.content.length > 0);
});
