// OpenAI's calls, over the replies of a model or of one of its sessions.
import { chatChunks, now, wholeChat } from "./chat.js";
import { abortWhenCollected } from "./collected.js";
import { completionChunks, wholeCompletion } from "./completions.js";
import { fetchFrom } from "./fetch.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  Completion,
  CompletionRequest,
} from "./openai-types.js";
import type { CallOptions, Replies, ReplyPart } from "./replies.js";
import { checkChat, checkCompletion, checkSteps, type Checked } from "./requests.js";
import type { SessionCache } from "./session-cache.js";

/** A call of OpenAI's client: a stream where the request says so, else all of the answer at once. */
export interface Create<Request, Whole, Part> {
  (request: Request & { stream: true }, options?: CallOptions | null): Promise<AsyncGenerator<Part, void, undefined>>;
  (request: Request & { stream?: false | null }, options?: CallOptions | null): Promise<Whole>;
  (request: Request, options?: CallOptions | null): Promise<Whole | AsyncGenerator<Part, void, undefined>>;
}

/** The calls of OpenAI's client that a model answers. */
export interface OpenAi {
  /** Replies to conversations. */
  readonly chat: { completions: { create: Create<ChatCompletionRequest, ChatCompletion, ChatCompletionChunk> } };
  /** What texts go on with. */
  readonly completions: { create: Create<CompletionRequest, Completion, Completion> };
  /**
   * Takes the place of `fetch` in clients of OpenAI's interface: it answers /v1/chat/completions, /v1/completions and /v1/models, on
   * whatever server, without a network.
   */
  readonly fetch: typeof fetch;
}

/** Those calls, with a session's cache where one is given. */
export function openAi(replies: Replies, model: string, session?: SessionCache): OpenAi {
  /** The answer to a checked request: its stream, or all of it. */
  const answer = <Whole, Part>(
    request: Checked,
    given: CallOptions | null | undefined,
    stream: (parts: AsyncIterable<ReplyPart>, request: Checked, model: string) => AsyncGenerator<Part, void, undefined>,
    whole: (parts: AsyncIterable<ReplyPart>, request: Checked, model: string) => Promise<Whole>,
  ) => {
    const options = given ?? {};
    checkSteps(options.steps);
    if (!request.stream) return whole(replies.run(request, options, session), request, model);
    const left = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
    const parts = stream(replies.run(request, { ...options, signal }, session), request, model);
    abortWhenCollected(parts, left);
    return parts;
  };
  const chat = async (given: ChatCompletionRequest, options?: CallOptions | null) => {
    replies.checkAlive(session);
    return answer(checkChat(given), options, chatChunks, wholeChat);
  };
  const completion = async (given: CompletionRequest, options?: CallOptions | null) => {
    replies.checkAlive(session);
    return answer(checkCompletion(given), options, completionChunks, wholeCompletion);
  };
  return {
    chat: { completions: { create: chat as OpenAi["chat"]["completions"]["create"] } },
    completions: { create: completion as OpenAi["completions"]["create"] },
    fetch: fetchFrom({
      model,
      created: now(),
      chat: (request, options) => chat(request as ChatCompletionRequest, options),
      completion: (request, options) => completion(request as CompletionRequest, options),
    }),
  };
}
