// A GGUF of PLM-1.8B's shapes with random weights: Q4_0, and Q8_0 for the embedding. It says nothing that makes sense; what is
// tested and measured is how it is loaded.
import { randomFillSync } from "node:crypto";
import { virtualFile } from "./virtual-file.mjs";

const [hidden, neurons, rank, heads] = [2048, 8192, 512, 16];
const [nope, rope, value] = [128, 64, 128];

/** Blocks of noise, which nothing here compresses, each with a scale of 0.004 as f16. */
function noise(bytes) {
  const blocks = randomFillSync(Buffer.alloc(bytes * 40_000));
  for (let at = 0; at < blocks.length; at += bytes) blocks.writeUInt16LE(0x1c19, at);
  return blocks;
}

const types = {
  F32: { id: 0, block: 1, bytes: 4, pattern: Buffer.from(new Float32Array(1024).fill(1).buffer) },
  Q4_0: { id: 2, block: 32, bytes: 18, pattern: noise(18) },
  Q8_0: { id: 8, block: 32, bytes: 34, pattern: noise(34) },
};

/** Name, type, and shape with the innermost dimension first, as in the file. */
function tensors({ layers, vocabulary }) {
  const layer = (i) =>
    [
      ["attn_norm", "F32", hidden],
      ["attn_q", "Q4_0", hidden, heads * (nope + rope)],
      ["attn_kv_a_mqa", "Q4_0", hidden, rank + rope],
      ["attn_kv_a_norm", "F32", rank],
      ["attn_kv_b", "Q4_0", rank, heads * (nope + value)],
      ["attn_output", "Q4_0", heads * value, hidden],
      ["ffn_norm", "F32", hidden],
      ["ffn_up", "Q4_0", hidden, neurons],
      ["ffn_down", "Q4_0", neurons, hidden],
    ].map(([name, ...rest]) => [`blk.${i}.${name}.weight`, ...rest]);
  return [
    ["token_embd.weight", "Q8_0", hidden, vocabulary],
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    ["output_norm.weight", "F32", hidden],
  ].map(([name, type, ...shape]) => ({ name, type: types[type], shape }));
}

/** Every pair of bytes, then as many threes as there is room for, as byte-level BPE writes them. */
function tokens(vocabulary) {
  const printable = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
  const [texts, merges] = [[...bytes], []];
  const add = (a, b) => (texts.push(a + b), merges.push(`${a} ${b}`));
  for (const a of bytes) for (const b of bytes) add(a, b);
  const pairs = texts.slice(256);
  for (let i = 0; texts.length < vocabulary - 293; i++) add(pairs[i >> 8], bytes[i & 255]);
  texts.push("<|endoftext|>", "<|im_start|>", "<|im_end|>");
  const control = texts.length - 3;
  while (texts.length < vocabulary) texts.push(`[PAD${texts.length}]`);
  return {
    texts,
    merges,
    kinds: texts.map((_, id) => (id < control ? 1 : id < control + 3 ? 3 : 5)),
    end: control + 2,
  };
}

const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const string = (text) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
};
const entry = {
  u32: (value) => Buffer.concat([u32(4), u32(value)]),
  f32: (value) => Buffer.concat([u32(6), Buffer.from(Float32Array.of(value).buffer)]),
  string: (text) => Buffer.concat([u32(8), string(text)]),
  strings: (texts) => Buffer.concat([u32(9), u32(8), u64(texts.length), ...texts.map(string)]),
  i32s: (values) => Buffer.concat([u32(9), u32(5), u64(values.length), Buffer.from(Int32Array.from(values).buffer)]),
};

const template =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** The file, of 1.2 GB where it has as many layers and tokens as the real one. There are at least 66,085 tokens. */
export function randomModel({ layers = 32, vocabulary = 151936 } = {}) {
  const { texts, merges, kinds, end } = tokens(vocabulary);
  const metadata = Object.entries({
    "general.architecture": entry.string("plm"),
    "general.name": entry.string("random PLM-1.8B"),
    "plm.block_count": entry.u32(layers),
    "plm.context_length": entry.u32(4096),
    "plm.embedding_length": entry.u32(hidden),
    "plm.feed_forward_length": entry.u32(neurons),
    "plm.attention.head_count": entry.u32(heads),
    "plm.attention.head_count_kv": entry.u32(heads),
    "plm.attention.layer_norm_rms_epsilon": entry.f32(1e-6),
    "plm.attention.kv_lora_rank": entry.u32(rank),
    "plm.attention.key_length": entry.u32(nope + rope),
    "plm.attention.value_length": entry.u32(value),
    "plm.rope.dimension_count": entry.u32(rope),
    "plm.rope.freq_base": entry.f32(1e5),
    "plm.vocab_size": entry.u32(vocabulary),
    "tokenizer.ggml.model": entry.string("gpt2"),
    "tokenizer.ggml.pre": entry.string("qwen2"),
    "tokenizer.ggml.tokens": entry.strings(texts),
    "tokenizer.ggml.token_type": entry.i32s(kinds),
    "tokenizer.ggml.merges": entry.strings(merges),
    "tokenizer.ggml.eos_token_id": entry.u32(end),
    "tokenizer.chat_template": entry.string(template),
  });
  const all = tensors({ layers, vocabulary });
  const length = ({ type, shape }) => (shape.reduce((product, n) => product * n) / type.block) * type.bytes;
  const aligned = (bytes) => Math.ceil(bytes / 32) * 32;
  let offset = 0;
  const infos = all.map((tensor) => {
    const { name, type, shape } = tensor;
    const info = [string(name), u32(shape.length), ...shape.map(u64), u32(type.id), u64(offset)];
    offset += aligned(length(tensor));
    return Buffer.concat(info);
  });
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(all.length),
    u64(metadata.length),
    ...metadata.flatMap(([key, value]) => [string(key), value]),
    ...infos,
  ]);
  const start = aligned(header.length);
  const parts = [{ at: 0, length: header.length, pattern: header }];
  let at = start;
  for (const tensor of all) {
    const bytes = length(tensor);
    parts.push({ at, length: bytes, pattern: tensor.type.pattern });
    at += aligned(bytes);
  }
  return virtualFile(parts, at);
}
