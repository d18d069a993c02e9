// A session as bytes: the head, which the core explains, and then its layers, as many bytes each.
import type { PlumeEngine } from "./cores.js";
import { invalid } from "./invalid.js";

/** Bytes of the head before the tokens, and where it tells how many those are. */
const HEAD = 32;
const COUNT = 28;

export async function saveSession(engine: PlumeEngine, session: number): Promise<Uint8Array<ArrayBuffer>> {
  const head = engine.sessionHead(session);
  const layers = engine.layers();
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  // Layer by layer, so that the core never has all of it.
  for (let layer = 0; layer < layers; layer++) {
    const entries = await engine.sessionLayer(session, layer);
    bytes ??= new Uint8Array(head.length + layers * entries.length);
    bytes.set(entries, head.length + layer * entries.length);
  }
  bytes!.set(head);
  return bytes!;
}

export async function restoreSession(engine: PlumeEngine, bytes: Uint8Array): Promise<number> {
  const { buffer, byteOffset, length } = bytes;
  const tokens = length < HEAD ? 0 : new DataView(buffer, byteOffset).getUint32(COUNT, true);
  const head = Math.min(length, HEAD + 4 * tokens);
  const { session, layers } = (await engine.restoreSession(bytes.slice(0, head))) as {
    session: number;
    layers: number;
  };
  try {
    const each = (length - head) / layers;
    if (layers > 0 && !Number.isInteger(each)) throw invalid("these are not the bytes of a session: they are cut");
    for (let layer = 0; layer < layers; layer++)
      engine.restoreLayer(session, bytes.subarray(head + layer * each, head + (layer + 1) * each));
  } catch (error) {
    engine.closeSession(session);
    throw error;
  }
  return session;
}
