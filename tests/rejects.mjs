// What tests of the package in Node ask of its errors and streams.
import assert from "node:assert/strict";
import { PlumeError } from "../build/plume-lm/dist/node.js";

/** Checks that a promise fails with a PlumeError of this code, whose message is so. */
export const rejects = (promise, code, pattern = /./) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof PlumeError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  });

/** All parts of a stream. */
export async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
