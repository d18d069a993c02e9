// What every entry point of the package has beside its `Plume`.
export { PlumeError, type ErrorCode } from "./errors.js";
export type { CachedFile, ModelCache } from "./cache.js";
export { LoadControl } from "./load-control.js";
export type { Loader } from "./loader.js";
export type { Create, OpenAi } from "./openai.js";
export type { CallOptions, ReloadOptions } from "./plume.js";
export type { Session, SessionOptions } from "./session.js";
export type * from "./types.js";
