// What messages about wrong input have in common. No value's own code is run.
import { PlumeError } from "./errors.js";

export const invalid = (message: string) => new PlumeError("invalid_request", message);

/** What a value is. */
export const kind = (value: unknown) =>
  value === null ? "null" : Array.isArray(value) ? "a list" : `of type ${typeof value}`;

/** A value itself, where that is short. */
export const show = (value: unknown) =>
  typeof value === "object" || typeof value === "function" ? kind(value) : String(value);
