// A device that is lost in the middle of a reply: a typed error, then a reload of the same object, and the conversation goes on.
import assert from "node:assert/strict";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { EMBEDDED, conversations } from "../support.mjs";

const conversation = conversations(EMBEDDED).find(({ turns }) => turns.length > 1);
const [first, second] = conversation.turns;
const [firstReply, secondReply] = conversation.steps;

// The package makes navigator.gpu when it first looks for a device.
(await Plume.load(undefined, { device: "gpu" })).dispose();
const devices = [];
const { requestAdapter } = navigator.gpu;
navigator.gpu.requestAdapter = async function (...options) {
  const adapter = await requestAdapter.apply(this, options);
  const { requestDevice } = adapter;
  adapter.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    return device;
  };
  return adapter;
};

async function read(lm, messages, onPart = () => {}) {
  let text = "";
  for await (const part of await lm.chat.completions.create({ messages, temperature: 0, stream: true })) {
    text += part.choices[0].delta.content ?? "";
    if (text) onPart();
  }
  return text;
}

const user = (content) => ({ role: "user", content });
const assistant = (content) => ({ role: "assistant", content });

test("a lost device ends a reply with an error; after a reload the conversation goes on", async () => {
  const lm = await Plume.load(undefined, { device: "gpu" });
  assert.equal(devices.length, 1);
  await assert.rejects(
    read(lm, [user(first)], () => devices[0].destroy()),
    (error) => error.code === "device_lost" && /reload/.test(error.message),
  );
  // Without a reload it says so again, and does not hang.
  await assert.rejects(read(lm, [user(first)]), { code: "device_lost" });
  const phases = [];
  await lm.reload({ onProgress: ({ phase }) => phases.push(phase) });
  assert.deepEqual([phases[0], phases.at(-1)], ["read", "ready"]);
  const messages = [user(first), assistant(firstReply.text), user(second)];
  assert.equal(await read(lm, messages), secondReply.text);
  lm.dispose();
});

test("requests made while the model is loaded again wait for it", async () => {
  const lm = await Plume.load(undefined, { device: "cpu" });
  const reloaded = lm.reload();
  assert.equal(await read(lm, [user(first)]), firstReply.text);
  await reloaded;
  lm.dispose();
});

test("a reply under way ends when its model is loaded again, and the next is right", async () => {
  const lm = await Plume.load(undefined, { device: "cpu" });
  let reloaded;
  await assert.rejects(
    read(lm, [user(first)], () => (reloaded ??= lm.reload())),
    { code: "disposed" },
  );
  await reloaded;
  assert.equal(await read(lm, [user(first)]), firstReply.text);
  lm.dispose();
  await assert.rejects(lm.reload(), { code: "disposed" });
});

test("a reload can be aborted, and tried again", async () => {
  const lm = await Plume.load(undefined, { device: "cpu" });
  await assert.rejects(lm.reload({ signal: AbortSignal.abort() }), { code: "aborted" });
  await assert.rejects(read(lm, [user(first)]), { code: "aborted" });
  await lm.reload();
  assert.equal(await read(lm, [user(first)]), firstReply.text);
  lm.dispose();
});
