// Addresses that a caller gives, as the page's own: a worker's is another.
import { PlumeError } from "./errors.js";
import { isHubName } from "./names.js";
import type { ModelSource } from "./types.js";

/** A model's URL, made absolute. */
export function absolute(model: ModelSource): ModelSource {
  if (!(typeof model === "string" || model instanceof URL) || isHubName(String(model))) return model;
  return url(model).href;
}

/** The URL of a folder that has the package's files, if one is given. */
export function folder(assets: string | URL | undefined): URL | undefined {
  return assets === undefined ? undefined : url(`${assets}`.replace(/\/?$/, "/"));
}

function url(given: string | URL): URL {
  try {
    return new URL(given, location.href);
  } catch (cause) {
    throw new PlumeError("invalid_request", `${String(given)} is no URL`, { cause });
  }
}
