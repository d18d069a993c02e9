// OpenAI's HTTP interface without a network: `lm.fetch` takes the place of `fetch` in clients.
import { PlumeError, type ErrorCode } from "./errors.js";
import { newId } from "./ids.js";
import { invalid } from "./invalid.js";
import type { Completion, ChatCompletion, ChatCompletionChunk } from "./openai-types.js";
import type { CallOptions } from "./replies.js";

/** What answers. */
export interface Endpoints {
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
  chat(request: object, options: CallOptions): Promise<ChatCompletion | AsyncGenerator<ChatCompletionChunk>>;
  completion(request: object, options: CallOptions): Promise<Completion | AsyncGenerator<Completion>>;
}

/** By a PlumeError's code the status, the error's type and its code, by OpenAI's names where it has them. */
const STATUS: Partial<Record<ErrorCode, [number, string, string]>> = {
  invalid_request: [400, "invalid_request_error", "invalid_request"],
  template: [400, "invalid_request_error", "template"],
  context_full: [400, "invalid_request_error", "context_length_exceeded"],
};

interface Problem {
  status: number;
  error: { message: string; type: string; param: string | null; code: string };
}

function problem(thrown: unknown): Problem {
  const { code, message } = PlumeError.from(thrown);
  const [status, type, name] = STATUS[code] ?? [500, "server_error", code];
  return { status, error: { message, type, param: null, code: name } };
}

function json(body: object, status = 200, headers: Record<string, string> = {}): Response {
  // OpenAI's client would ask again and again for what will not be otherwise the next time.
  const more = status < 400 ? {} : { "x-should-retry": "false" };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", "x-request-id": newId("req_"), ...more, ...headers },
  });
}

const refuse = ({ status, error }: Problem, headers?: Record<string, string>) => json({ error }, status, headers);

/** Server-sent events of a stream's parts, each of them made when the reader asks for it. */
async function events(parts: AsyncGenerator<object>, left: AbortController): Promise<Response> {
  // What is wrong with the request shows here, and has a status of its own then.
  const encoder = new TextEncoder();
  let first: IteratorResult<object> | undefined = await parts.next();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const send = (text: string) => controller.enqueue(encoder.encode(`data: ${text}\n\n`));
        try {
          const { done, value } = first ?? (await parts.next());
          first = undefined;
          if (!done) return send(JSON.stringify(value));
          send("[DONE]");
        } catch (thrown) {
          if (PlumeError.from(thrown).code === "aborted") return controller.error(abortOf(thrown));
          send(JSON.stringify({ error: problem(thrown).error }));
        }
        controller.close();
      },
      cancel() {
        left.abort();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
  return new Response(body, { headers: { ...headers, "x-request-id": newId("req_") } });
}

/** What fetch rejects with when it is aborted. */
function abortOf(thrown: unknown): unknown {
  const { cause } = thrown as { cause?: unknown };
  return cause ?? new DOMException("This operation was aborted", "AbortError");
}

async function readRequest(input: RequestInfo | URL, init: RequestInit | undefined) {
  const given = input instanceof Request ? input : undefined;
  const method = (init?.method ?? given?.method ?? "GET").toUpperCase();
  const signal = init?.signal ?? given?.signal ?? null;
  // Where it leads does not matter: whatever a client takes for the server's address.
  const { pathname } = new URL(given ? given.url : String(input), "http://localhost");
  const body = init?.body != null ? new Response(init.body) : given;
  return { method, signal, pathname: decoded(pathname), text: async () => (await body?.text()) ?? "" };
}

/** A path as it reads, or as it is where it cannot be read. */
function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

function parse(text: string): object {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch (cause) {
    throw invalid(`the body is not JSON: ${(cause as Error).message}`);
  }
  if (typeof request !== "object" || request === null || Array.isArray(request))
    throw invalid("the body is not an object of JSON");
  return request;
}

/**
 * A function like `fetch` that answers POST /v1/chat/completions and /v1/completions, GET /v1/models and /v1/models/{model}, on
 * whatever server and behind whatever path. As from `fetch`, errors are answers, but for an abort.
 */
export function fetchFrom(endpoints: Endpoints): typeof fetch {
  const model = { id: endpoints.model, object: "model", created: endpoints.created, owned_by: "plume-lm" };
  const notFound = (message: string, code: string) =>
    refuse({ status: 404, error: { message, type: "invalid_request_error", param: null, code } });
  return async (input, init) => {
    const { method, signal, pathname, text } = await readRequest(input, init);
    const ask = /\/chat\/completions$/.test(pathname)
      ? endpoints.chat
      : /\/completions$/.test(pathname)
        ? endpoints.completion
        : undefined;
    const models = ask ? null : /\/models(?:\/(.+))?$/.exec(pathname);
    if (!models && !ask) return notFound(`${method} ${pathname} is not supported`, "unknown_url");
    const allowed = models ? "GET" : "POST";
    if (method !== allowed) {
      const error = { message: `${method} ${pathname}: expected ${allowed}`, type: "invalid_request_error" };
      return refuse({ status: 405, error: { ...error, param: null, code: "method_not_allowed" } }, { allow: allowed });
    }
    if (models) {
      if (models[1] === undefined) return json({ object: "list", data: [model] });
      if (models[1] === model.id) return json(model);
      return notFound(`the model ${models[1]} is not loaded; ${model.id} is`, "model_not_found");
    }
    try {
      // A reader that goes away is not to wait for a prompt to be read.
      const left = new AbortController();
      const ended = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
      const answer = await ask!(parse(await text()), { signal: ended });
      return Symbol.asyncIterator in answer ? await events(answer, left) : json(answer);
    } catch (thrown) {
      if (PlumeError.from(thrown).code === "aborted") throw abortOf(thrown);
      return refuse(problem(thrown));
    }
  };
}
