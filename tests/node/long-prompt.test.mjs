// A prompt of several chunks: how far it is read is told, and it can be cancelled on the way.
import assert from "node:assert/strict";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";

const user = (content) => [{ role: "user", content }];
const long = user("One two three four five six seven. ".repeat(40));
const question = user("What is the capital of Japan?");

for (const device of ["cpu", "gpu"]) {
  test(`${device}: a long prompt tells how far it is read`, async () => {
    const lm = await Plume.load(undefined, { device });
    const seen = [];
    const create = (messages, options) =>
      lm.chat.completions.create({ messages, temperature: 0, max_tokens: 2 }, options);
    const onPromptProgress = (progress) => seen.push(progress);
    const { usage } = await create(long, { onPromptProgress });
    const total = usage.prompt_tokens;
    assert.deepEqual(
      seen,
      [0, 256, total].map((processed) => ({ processed, total, cached: 0 })),
    );

    // All but the last token is in the cache now.
    seen.length = 0;
    await create(long, { onPromptProgress });
    assert.deepEqual(
      seen,
      [total - 1, total].map((processed) => ({ processed, total, cached: total - 1 })),
    );
    lm.dispose();
  });

  test(`${device}: a long prompt can be cancelled between its chunks`, async () => {
    const lm = await Plume.load(undefined, { device });
    const create = (messages, options) =>
      lm.chat.completions.create({ messages, temperature: 0, max_tokens: 8 }, options);
    for (const chunks of [0, 1]) {
      const abort = new AbortController();
      const seen = [];
      const onPromptProgress = ({ processed, total, cached }) => {
        assert.ok(processed < total);
        seen.push(processed - cached);
        if (seen.length > chunks) abort.abort();
      };
      await assert.rejects(create(long, { onPromptProgress, signal: abort.signal }), { code: "aborted" });
      assert.deepEqual(seen, [0, 256].slice(0, chunks + 1));
      const { choices } = await create(question);
      assert.match(choices[0].message.content, /Tokyo/);
    }
    lm.dispose();
  });
}

test("a listener that throws does not break a reply", async () => {
  const lm = await Plume.load(undefined, { device: "cpu" });
  const onPromptProgress = () => {
    throw new Error("from the listener");
  };
  const request = { messages: question, temperature: 0, max_tokens: 8 };
  assert.match((await lm.chat.completions.create(request, { onPromptProgress })).choices[0].message.content, /Tokyo/);
  lm.dispose();
});
