// The package in Node writes what the float32 reference writes, on the CPU and through Dawn on SwiftShader.
import assert from "node:assert/strict";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { greedyReplies } from "../replies.mjs";
import { checkGreedy, conversations, KINDS, share } from "../support.mjs";

for (const device of ["cpu", "gpu"])
  for (const [kind, { file }] of Object.entries(KINDS))
    test(`${kind} on the ${device}: greedy replies equal the reference's`, async (t) => {
      const lm = await Plume.load(file, { device });
      t.after(() => lm.dispose());
      const { backend, adapter } = await lm.stats();
      assert.equal(backend, device);
      const asked = device === "gpu" ? share(kind) : conversations(kind);
      t.diagnostic(`${adapter}: ${checkGreedy(kind, asked, await greedyReplies(lm, asked))}`);
    });
