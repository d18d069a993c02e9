// The evaluation scores replies as it says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { distinct, repetition, right } from "../../benches/eval/score.mjs";

test("replies are right only where they are what was expected", () => {
  for (const [expect, good, bad] of [
    [{ is: "Paris is in France." }, ["Paris is in France."], ["Paris is in France", "Paris is in Italy."]],
    [{ number: 15 }, ["I count on from 8: 9 (1), 15 (7). So 8 + 7 = 15.", "15"], ["8 + 7 = 16.", "none", "-15", "150"]],
    [
      { has: ["Odette", "red ball"] },
      ["The red ball of Odette."],
      ["The red balls of Odette.", "The red ball of odette."],
    ],
    [
      { names: "Freya" },
      ["Freya was a fox. One day Freya left."],
      ["A fox. Freya left.", `${"A fox. ".repeat(30)}Freya Freya`],
    ],
    [
      { json: { name: "Tom", age: 7, happy: true } },
      ['{"name": "Tom", "age": 7, "happy": true}', '{"happy":true,"age":7,"name":"Tom"}'],
      ['{"name": "Tom", "age": "7", "happy": true}', '{"name": "Tom"}', '{"name": "Tom"', "Tom"],
    ],
    [{ json: ["pea", "leek"] }, ['["pea", "leek"]'], ['["leek", "pea"]', "pea, leek", "null"]],
    [
      { items: 3, of: ["oak", "pine", "birch", "ash"] },
      ["1. Oak\n2. Pine\n3. Ash", "- Ash\n- Oak\n- Pine", "Oak, Pine, Birch."],
      ["1. Oak\n2. Pine", "1. Oak\n2. Oak\n3. Pine", "1. Oak\n2. Pine\n3. Fox", "1. Oak\n2. Pine\n3. Ash\n4. Birch"],
    ],
  ]) {
    for (const reply of good) assert.equal(right(reply, expect), true, `${JSON.stringify(expect)}: ${reply}`);
    for (const reply of bad) assert.equal(right(reply, expect), false, `${JSON.stringify(expect)}: ${reply}`);
  }
});

test("stories are distinct, and repeat themselves, by their runs of five words", () => {
  const [one, two] = ["a b c d e f g h i j", "k l m n o p q r s t"];
  assert.equal(distinct([one, two]), 1);
  assert.equal(distinct([one, one, two, one]), 0.5);
  assert.equal(distinct([one, "a b c d e x y z w v"]), 1, "one run of six is the same");
  assert.equal(distinct([one, ""]), 0.5, "an empty one is none");
  assert.equal(repetition(one), 0);
  assert.equal(repetition("a b c d e a b c d e"), 1 / 6);
  assert.equal(repetition("too short"), 0);
});

test("every question of the evaluation can be answered rightly, and wrongly", () => {
  const { questions } = JSON.parse(readFileSync(new URL("../../benches/eval/questions.json", import.meta.url), "utf8"));
  assert.ok(questions.length > 500);
  const replies = {
    is: (value) => value,
    number: (value) => `So it is ${value}.`,
    has: (value) => value.join(" "),
    names: (value) => `${value}, ${value}`,
    json: (value) => JSON.stringify(value),
    items: (value, { of }) => of.slice(0, value).join("\n"),
  };
  for (const { turns, expect } of questions) {
    const [kind] = Object.keys(expect);
    assert.equal(right(replies[kind](expect[kind], expect), expect), true, turns.join(" | "));
    assert.equal(right("I do not know.", expect), false, turns.join(" | "));
  }
});
