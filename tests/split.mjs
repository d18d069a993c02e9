// Splits a GGUF as llama.cpp's gguf-split does: all metadata in the first part, and each part with a header for its own tensors.

const SIZES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const [UINT16, STRING, ARRAY] = [2, 8, 9];

/** The parts of a GGUF version 3 of alignment 32, so many of them. */
export function split(file, count) {
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
  const size = Math.ceil(tensors / count);
  return Array.from({ length: count }, (_, index) =>
    part(index, count, index ? undefined : { metadata, entries }, infos.slice(index * size, (index + 1) * size)),
  );
}

const aligned = (length) => Math.ceil(length / 32) * 32;

function part(index, count, all, infos) {
  const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
  const u64 = (value) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
  const u16Entry = (key, value) =>
    Buffer.concat([u64(key.length), Buffer.from(key), u32(UINT16), Buffer.from(Uint16Array.of(value).buffer)]);
  const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
  let offset = 0;
  const heads = infos.map(({ head, bytes }) => {
    const entry = Buffer.concat([head, u64(offset)]);
    offset += aligned(bytes.length);
    return entry;
  });
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(infos.length),
    u64((all?.entries ?? 0) + 2),
    u16Entry("split.no", index),
    u16Entry("split.count", count),
    all?.metadata ?? Buffer.alloc(0),
    ...heads,
  ]);
  return Buffer.concat([padded(header), ...infos.map(({ bytes }) => padded(bytes))]);
}
