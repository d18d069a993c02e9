// A GGUF of PLM-1.8B's shapes with random weights: Q4_0, and Q8_0 for the embedding. It says nothing that makes sense; what is
// tested and measured is how it is loaded.
import { randomFillSync } from "node:crypto";
import { plmHeader, plmTensors, TYPES } from "./plm-gguf.mjs";
import { virtualFile } from "./virtual-file.mjs";

const dimensions = { hidden: 2048, neurons: 8192, rank: 512, heads: 16, nope: 128, rope: 64, value: 128 };

/** Blocks of noise, which nothing here compresses, each with a scale of 0.004 as f16. */
function noise({ bytes }) {
  const blocks = randomFillSync(Buffer.alloc(bytes * 40_000));
  for (let at = 0; at < blocks.length; at += bytes) blocks.writeUInt16LE(0x1c19, at);
  return blocks;
}

const patterns = new Map([
  [TYPES.F32, Buffer.from(new Float32Array(1024).fill(1).buffer)],
  [TYPES.Q4_0, noise(TYPES.Q4_0)],
  [TYPES.Q8_0, noise(TYPES.Q8_0)],
]);

/** The file, of 1.2 GB where it has as many layers and tokens as the real one. There are at least 66,085 tokens. */
export function randomModel({ layers = 32, vocabulary = 151936 } = {}) {
  const shape = { ...dimensions, layers, vocabulary };
  const tensors = plmTensors(shape, (name) => (name === "token_embd" ? "Q8_0" : "Q4_0"));
  const { header, size } = plmHeader(shape, tensors);
  const parts = [{ at: 0, length: header.length, pattern: header }];
  for (const { at, length, type } of tensors) parts.push({ at, length, pattern: patterns.get(type) });
  return virtualFile(parts, size);
}
