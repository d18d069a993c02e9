// What a GGUF of PLM has before its tensors' data, with a vocabulary that says nothing that makes sense.

const aligned = (bytes) => Math.ceil(bytes / 32) * 32;

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

/** The elements and bytes of a block, and the number, of ggml's types. */
export const TYPES = {
  F32: { id: 0, block: 1, bytes: 4 },
  Q4_0: { id: 2, block: 32, bytes: 18 },
  Q8_0: { id: 8, block: 32, bytes: 34 },
  Q4_K: { id: 12, block: 256, bytes: 144 },
  Q6_K: { id: 14, block: 256, bytes: 210 },
};

/** Tensors of a PLM of such dimensions: `typeOf(name, layer)` gives the type of each matrix. Shapes have the innermost first, as in files. */
export function plmTensors({ layers, vocabulary, hidden, neurons, rank, heads, nope, rope, value }, typeOf) {
  const layer = (i) =>
    [
      ["attn_norm", hidden],
      ["attn_q", hidden, heads * (nope + rope)],
      ["attn_kv_a_mqa", hidden, rank + rope],
      ["attn_kv_a_norm", rank],
      ["attn_kv_b", rank, heads * (nope + value)],
      ["attn_output", heads * value, hidden],
      ["ffn_norm", hidden],
      ["ffn_up", hidden, neurons],
      ["ffn_down", neurons, hidden],
    ].map(([name, ...shape]) => ({ name, layer: i, shape }));
  return [
    { name: "token_embd", shape: [hidden, vocabulary] },
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    { name: "output_norm", shape: [hidden] },
  ].map(({ name, layer, shape }) => {
    const type = TYPES[shape.length === 1 ? "F32" : typeOf(name, layer)];
    const length = (shape.reduce((product, n) => product * n) / type.block) * type.bytes;
    return { kind: name, name: `${layer === undefined ? "" : `blk.${layer}.`}${name}.weight`, type, shape, length };
  });
}

/** The bytes before the data of such tensors, each of which is given its place `at` in the file. */
export function plmHeader({ layers, vocabulary, hidden, neurons, rank, heads, nope, rope, value }, tensors) {
  const { texts, merges, kinds, end } = tokens(vocabulary);
  const metadata = Object.entries({
    "general.architecture": entry.string("plm"),
    "general.name": entry.string("random PLM"),
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
  let offset = 0;
  const infos = tensors.map(({ name, shape, type, length }) => {
    const info = [string(name), u32(shape.length), ...shape.map(u64), u32(type.id), u64(offset)];
    offset += aligned(length);
    return Buffer.concat(info);
  });
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata.flatMap(([key, value]) => [string(key), value]),
    ...infos,
  ]);
  let at = aligned(header.length);
  for (const tensor of tensors) {
    tensor.at = at;
    at += aligned(tensor.length);
  }
  return { header, size: at };
}
