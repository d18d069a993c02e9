/** Names of what can go wrong; `error.code` of every {@link PlumeError}. */
export type ErrorCode =
  | "not_a_model"
  | "unsupported_model"
  | "truncated"
  | "malformed"
  | "missing"
  | "tokenizer"
  | "template"
  | "http"
  | "io"
  | "corrupt"
  | "quota"
  | "no_webgpu"
  | "out_of_device_memory"
  | "device_lost"
  | "context_full"
  | "invalid_request"
  | "aborted"
  | "crashed"
  | "disposed";

/** What every failure of Plume is. An abort's `name` is "AbortError", as on the rest of the platform. */
export class PlumeError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = code === "aborted" ? "AbortError" : "PlumeError";
    this.code = code;
  }

  /** Any thrown value as a PlumeError. What the core did not throw on purpose is a crash. */
  static from(thrown: unknown): PlumeError {
    if (thrown instanceof PlumeError) return thrown;
    const { code, message } = (thrown ?? {}) as { code?: ErrorCode; message?: string };
    const known = thrown instanceof Error && (thrown.name === "PlumeError" || thrown.name === "AbortError");
    if (known && code) return new PlumeError(code, message ?? "", { cause: thrown });
    return new PlumeError("crashed", `a bug in plume-lm: ${message ?? String(thrown)}`, { cause: thrown });
  }
}
