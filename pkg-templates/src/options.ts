// What `Plume.load` is given, checked.
import { invalid, kind, show } from "./invalid.js";
import { LoadControl } from "./load-control.js";
import type { LoadOptions, ModelSource } from "./types.js";

/** What a load may be given, and for tests "kernels". */
const OPTIONS =
  "onProgress signal device threads context_length messages patience hub token sha256 cache control kernels".split(" ");

/** Refuses options that are not known. */
export function checkNames(options: object): void {
  const unknown = Object.entries(options).find(([name, value]) => !OPTIONS.includes(name) && value !== undefined);
  if (unknown)
    throw invalid(`the option ${unknown[0]} is not known; expected one of ${OPTIONS.slice(0, -1).join(", ")}`);
}

/** A model's source, bytes and lists of files in one form. */
export function checkModel(model: ModelSource | undefined): ModelSource | undefined {
  if (model === undefined || typeof model === "string" || model instanceof URL || model instanceof Blob) return model;
  if (model instanceof ArrayBuffer || ArrayBuffer.isView(model)) return new Blob([model]);
  const files = typeof FileList !== "undefined" && model instanceof FileList ? Array.from(model) : model;
  if (!Array.isArray(files))
    throw invalid(`the model is ${kind(files)}; expected a name, a URL, a Blob, bytes or a list of Files`);
  if (files.length === 0 || !files.every((file) => file instanceof File))
    throw invalid("the list of a model's files is empty, or has something that is no File");
  return files;
}

const isWhole = (value: unknown, most: number) =>
  Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most;

/** Checks the options' values, but for their names and messages. */
export function checkOptions(options: LoadOptions): void {
  const { device, threads, context_length, patience, hub, token, sha256, cache, control } = options;
  if (device !== undefined && !["auto", "gpu", "cpu"].includes(device))
    throw invalid(`device is ${show(device)}; expected "auto", "gpu" or "cpu"`);
  if (threads !== undefined && !isWhole(threads, 64))
    throw invalid(`threads is ${show(threads)}; expected a whole number from 1 to 64`);
  if (context_length !== undefined && !isWhole(context_length, 2 ** 32 - 1))
    throw invalid(`context_length is ${show(context_length)}; expected a whole number from 1`);
  if (patience !== undefined && !(typeof patience === "number" && patience >= 1 && patience < Infinity))
    throw invalid(`patience is ${show(patience)}; expected at least 1 second`);
  if (hub !== undefined && !(typeof hub === "string" && /^https?:\/\//.test(hub)))
    throw invalid(`hub is ${show(hub)}; expected an http URL`);
  if (token !== undefined && (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)))
    throw invalid("token is not a string that a header can have"); // What it is stays out of messages.
  if (sha256 !== undefined && (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(sha256)))
    throw invalid(`sha256 is ${show(sha256)}; expected 64 hexadecimal digits`);
  if (cache !== undefined && typeof cache !== "boolean" && typeof cache !== "string")
    throw invalid(`cache is ${show(cache)}; expected true, false or, in Node, a folder`);
  if (control !== undefined && !(control instanceof LoadControl))
    throw invalid(`control is ${show(control)}; expected a LoadControl`);
}
