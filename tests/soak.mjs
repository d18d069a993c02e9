// Many requests of mixed sizes against one model, some of them aborted: shared by a short test and a long bench.
import assert from "node:assert/strict";

/** Random numbers that are the same each time: mulberry32. */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A request may take no longer, whatever waits before it. */
const STUCK = 120_000;

/**
 * Makes `count` requests, a few at a time, and checks every reply that is not cut against the reference's. `conversations` are
 * golden ones, with margins that no rounding can turn. Tells what was done.
 */
export async function soak(lm, conversations, count, { seed = 1, onProgress = () => {} } = {}) {
  const next = random(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const done = { whole: 0, cut: 0, aborted: 0, refused: 0, sampled: 0, structured: 0 };
  const sessions = [lm, lm, await lm.session(), await lm.session()];

  async function request() {
    const { turns, steps } = pick(conversations);
    const turn = Math.floor(next() * turns.length);
    const messages = [];
    for (let before = 0; before < turn; before++)
      messages.push({ role: "user", content: turns[before] }, { role: "assistant", content: steps[before].text });
    messages.push({ role: "user", content: turns[turn] });
    const expected = steps[turn].text;
    const kind = next();
    const to = pick(sessions);
    const abort = new AbortController();
    const stuck = setTimeout(() => abort.abort(new Error("stuck")), STUCK);
    try {
      if (kind < 0.02) {
        // Too long for the context.
        const long = [{ role: "user", content: "word ".repeat(2000) }];
        await assert.rejects(to.chat.completions.create({ messages: long }), { code: "context_full" });
        done.refused++;
      } else if (kind < 0.07) {
        const drawn = {
          temperature: 1,
          top_k: 40,
          top_p: 0.9,
          repetition_penalty: 1.1,
          seed: Math.floor(next() * 1e6),
        };
        await to.chat.completions.create({ messages, ...drawn, n: 2, max_tokens: 24, logprobs: true });
        done.sampled++;
      } else if (kind < 0.1) {
        const schema = {
          type: "object",
          properties: { a: { type: "integer", minimum: 0, maximum: 99 } },
          required: ["a"],
          additionalProperties: false,
        };
        const response_format = { type: "json_schema", json_schema: { name: "a", schema } };
        const reply = await to.chat.completions.create({ messages, response_format, max_tokens: 60 });
        if (reply.choices[0].finish_reason === "stop")
          assert.ok(Number.isInteger(JSON.parse(reply.choices[0].message.content).a));
        done.structured++;
      } else if (kind < 0.4) {
        // Aborted after some parts, or before the first, or by a reader that goes away.
        const after = Math.floor(next() * 20);
        const leaves = next() < 0.5;
        let parts = 0;
        let text = "";
        try {
          const stream = await to.chat.completions.create(
            { messages, temperature: 0, stream: true },
            { signal: abort.signal },
          );
          if (after === 0) abort.abort();
          for await (const part of stream) {
            text += part.choices[0].delta.content ?? "";
            if (++parts === after) {
              if (leaves) break;
              abort.abort();
            }
          }
        } catch (error) {
          if (error.code !== "aborted" || error.cause?.message === "stuck") throw error;
        }
        assert.ok(expected.startsWith(text), `${text} is no beginning of ${expected}`);
        done.aborted++;
      } else if (kind < 0.7) {
        const max_tokens = 1 + Math.floor(next() * 30);
        const reply = await to.chat.completions.create(
          { messages, temperature: 0, max_tokens },
          { signal: abort.signal },
        );
        assert.ok(expected.startsWith(reply.choices[0].message.content));
        done.cut++;
      } else {
        const reply = await to.chat.completions.create({ messages, temperature: 0 }, { signal: abort.signal });
        assert.equal(reply.choices[0].message.content, expected);
        done.whole++;
      }
    } finally {
      clearTimeout(stuck);
    }
  }

  let begun = 0;
  let ended = 0;
  const worker = async () => {
    while (begun < count) {
      begun++;
      await request();
      await onProgress(++ended);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  for (const session of sessions.slice(2)) session.dispose();
  return done;
}
