// The same model in GGUF files of another shape.
import { virtualFile } from "./virtual-file.mjs";

const SIZES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const [UINT16, STRING, ARRAY] = [2, 8, 9];

/** What a GGUF version 3 of alignment 32 has. */
function parse(file) {
  let at = 8;
  const u32 = () => file.readUInt32LE((at += 4) - 4);
  const u64 = () => Number(file.readBigUInt64LE((at += 8) - 8));
  const string = () => {
    const length = u64();
    return file.toString("utf8", at, (at += length));
  };
  const skip = (type) => {
    if (type === STRING) string();
    else if (type === ARRAY) for (let [element, left] = [u32(), u64()]; left > 0; left--) skip(element);
    else at += SIZES[type];
  };
  const [tensors, entries] = [u64(), u64()];
  const from = at;
  for (let i = 0; i < entries; i++) {
    string();
    skip(u32());
  }
  const metadata = file.subarray(from, at);
  const infos = Array.from({ length: tensors }, () => {
    const start = at;
    string();
    const dimensions = u32();
    at += dimensions * 8;
    u32(); // The type, which follows the dimensions.
    return { head: file.subarray(start, at), offset: u64() };
  });
  const data = aligned(at);
  infos.forEach(
    (info, i) => (info.bytes = file.subarray(data + info.offset, data + (infos[i + 1]?.offset ?? file.length))),
  );
  return { metadata, entries, infos };
}

/**
 * The parts of such a GGUF, so many of them, as llama.cpp's gguf-split makes them: all metadata in the first, and each with a
 * header for its own tensors.
 */
export function split(file, count) {
  const { metadata, entries, infos } = parse(file);
  const size = Math.ceil(infos.length / count);
  return Array.from({ length: count }, (_, index) => {
    const own = infos.slice(index * size, (index + 1) * size);
    const described = [u16Entry("split.no", index), u16Entry("split.count", count), index ? nothing : metadata];
    const head = header((index ? 0 : entries) + 2, described, own);
    return Buffer.concat([head, ...own.map(({ bytes }) => padded(bytes))]);
  });
}

/** Such a GGUF with a gap of so many bytes, a multiple of 32, before its second tensor. */
export function spread(file, gap) {
  const { metadata, entries, infos } = parse(file);
  const head = header(entries, [metadata], infos, gap);
  const parts = [{ at: 0, length: head.length, pattern: head }];
  let end = head.length;
  for (const [index, { bytes }] of infos.entries()) {
    if (index === 1) end += gap;
    parts.push({ at: end, length: bytes.length, pattern: bytes });
    end += aligned(bytes.length);
  }
  return virtualFile(parts, end);
}

const aligned = (length) => Math.ceil(length / 32) * 32;
const nothing = Buffer.alloc(0);
const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const u16Entry = (key, value) =>
  Buffer.concat([u64(key.length), Buffer.from(key), u32(UINT16), Buffer.from(Uint16Array.of(value).buffer)]);
const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);

/** A GGUF's bytes before its tensors, of which the second has a gap before it. */
function header(entries, metadata, infos, gap = 0) {
  let offset = 0;
  const heads = infos.map(({ head, bytes }, index) => {
    if (index === 1) offset += gap;
    const entry = Buffer.concat([head, u64(offset)]);
    offset += aligned(bytes.length);
    return entry;
  });
  return padded(Buffer.concat([Buffer.from("GGUF"), u32(3), u64(infos.length), u64(entries), ...metadata, ...heads]));
}
