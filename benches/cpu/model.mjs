// GGUFs of PLM with about 125 million random weights, of which the fraction of zero activations is chosen.
//
// PLM has no biases. So the first 256 values of every embedding are one, no projection writes there, and they act as a bias
// that reaches every layer: the rows of the up projection weigh them so that a neuron is well above zero or well below.
import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { plmHeader, plmTensors, TYPES } from "../../tests/plm-gguf.mjs";

/** Values of an activation that are the bias: whole blocks of every type. */
const LEAD = 256;

const dimensions = {
  ...{ layers: 11, vocabulary: 66_085, hidden: 768, neurons: 3072 },
  ...{ rank: 256, heads: 12, nope: 64, rope: 32, value: 64 },
};

/** The bits of the f16 nearest to a positive number. */
function half(value) {
  if (value < 2 ** -14) return Math.round(value * 2 ** 24);
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) + Math.round((value / 2 ** exponent - 1) * 1024);
}

/** How a type's blocks are made: random ones of standard deviation 1 times `scale`, and ones of a single value. */
const blocks = {
  Q8_0: {
    random(block, scale) {
      block.writeUInt16LE(half(scale / 73.9), 0);
    },
    constant(block, value) {
      block.fill(value < 0 ? -127 : 127, 2).writeUInt16LE(half(Math.abs(value) / 127), 0);
    },
  },
  Q4_0: {
    random(block, scale) {
      block.writeUInt16LE(half(scale / 4.63), 0);
    },
    constant(block, value) {
      block.fill(value < 0 ? 0x11 : 0xff, 2).writeUInt16LE(half(Math.abs(value) / 7), 0);
    },
  },
  Q4_K: {
    // Eight scales of 32 and eight minima of 30: 32 q - 8 * 30, which is zero on the average.
    random(block, scale) {
      block.writeUInt16LE(half(scale / 147.5), 0);
      block.writeUInt16LE(half((scale / 147.5) * 8), 2);
      Buffer.from([32, 32, 32, 32, 30, 30, 30, 30, 0xe0, 0xe0, 0xe0, 0xe0]).copy(block, 4);
      // The last four have their high bits where the first eight leave room.
      for (let i = 0; i < 4; i++) {
        block[4 + i] |= (32 >> 4) << 6;
        block[8 + i] |= (30 >> 4) << 6;
      }
    },
    constant(block, value) {
      this.random(block, Math.abs(value) * (147.5 / 240));
      block.fill(value < 0 ? 0x00 : 0xff, 16);
    },
  },
  Q6_K: {
    random(block, scale) {
      block.fill(64, 192, 208).writeUInt16LE(half(scale / (64 * 18.5)), 208);
    },
    constant(block, value) {
      this.random(block, Math.abs(value) * (18.5 / 31));
      block.fill(value < 0 ? 0x11 : 0xff, 0, 128).fill(value < 0 ? 0x00 : 0xff, 128, 192);
    },
  },
};

/** llama.cpp's mixture for Q4_K_M, and the same type for all else. */
const typeOf = (format, layers) => (name, layer) => {
  if (format !== "Q4_K_M") return format;
  const eighth = Math.floor(layers / 8);
  const better = layer < eighth || layer >= layers - eighth || (layer - eighth) % 3 === 2;
  const sensitive = name === "ffn_down" || name === "attn_kv_b";
  return name === "token_embd" || (sensitive && better) ? "Q6_K" : "Q4_K";
};

/** Standard deviations that keep activations near one. */
const SCALES = {
  token_embd: 0.5,
  attn_q: 0.02,
  attn_kv_a_mqa: 0.03,
  attn_kv_b: 0.03,
  attn_output: 0.01,
  ffn_up: 0.02,
  ffn_down: 0.002,
};

/** Writes such a model, with this fraction of activations zero. Gives the bytes and the weights that one token's decoding reads. */
export function writeModel(path, { format, zeros }) {
  const { layers } = dimensions;
  const tensors = plmTensors(dimensions, typeOf(format, layers));
  const { header, size } = plmHeader(dimensions, tensors);
  const file = openSync(path, "w");
  writeSync(file, header, 0, header.length, 0);
  for (const { kind, at, type, shape, length } of tensors) {
    if (type === TYPES.F32) {
      writeSync(file, Buffer.from(new Float32Array(shape[0]).fill(1).buffer), 0, length, at);
      continue;
    }
    const make = blocks[Object.keys(TYPES).find((name) => TYPES[name] === type)];
    const bytes = randomBytes(length);
    const row = (shape[0] / type.block) * type.bytes;
    for (let index = 0; index < shape[1]; index++) {
      // What is written to the bias is nothing; what reads it is the up projection, and the embedding makes it.
      const silent = (kind === "attn_output" || kind === "ffn_down") && index < LEAD;
      const lead = { token_embd: 1, ffn_up: Math.random() < zeros ? -0.02 : 0.02 }[kind];
      for (let column = 0; column < shape[0]; column += type.block) {
        const start = index * row + (column / type.block) * type.bytes;
        const block = bytes.subarray(start, start + type.bytes);
        if (silent) block.fill(0);
        else if (lead !== undefined && column < LEAD) make.constant(block, lead);
        else make.random(block, SCALES[kind]);
      }
    }
    writeSync(file, bytes, 0, length, at);
  }
  writeSync(file, Buffer.alloc(1), 0, 1, size - 1);
  closeSync(file);
  const matrices = tensors.filter(({ type }) => type !== TYPES.F32);
  const share = ({ kind }) => (kind === "ffn_down" ? 1 - zeros : 1);
  const sum = (value) => matrices.reduce((sum, tensor) => sum + share(tensor) * value(tensor), 0);
  return { bytes: sum(({ length }) => length), weights: sum(({ shape }) => shape[0] * shape[1]) };
}
