import { openAi, type OpenAi } from "./openai.js";
import type { Replies } from "./replies.js";
import type { Runtime } from "./runtime.js";
import type { SessionCache } from "./session-cache.js";

/** What a session may be opened with. */
export interface SessionOptions {
  /** What {@link Session.save} gave, of the same model. */
  from?: Uint8Array | ArrayBuffer | null;
}

/**
 * A conversation that has a cache of its own, so that other requests between its turns do not push it out. Requests still carry all
 * their messages.
 */
export class Session implements OpenAi {
  readonly chat: OpenAi["chat"];
  readonly completions: OpenAi["completions"];
  readonly fetch: OpenAi["fetch"];

  /** Users call `session()` of a loaded model. */
  constructor(
    replies: Replies,
    model: string,
    private readonly cache: SessionCache,
    private readonly runtime: () => Promise<Runtime>,
  ) {
    const { chat, completions, fetch } = openAi(replies, model, cache);
    this.chat = chat;
    this.completions = completions;
    this.fetch = fetch;
  }

  /**
   * The cache as bytes, from which `session({ from })` goes on, at another visit too: what has been read and written is not computed
   * again. They are the conversation's own content, to be kept as that. On a device of another kind they are of no use but
   * for the tokens, which are computed again when they are asked for.
   */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    this.cache.checkAlive();
    const runtime = await this.runtime();
    return runtime.saveSession(await this.cache.in(runtime));
  }

  /** Frees the cache. Replies under way end with the code "disposed". */
  dispose(): void {
    this.cache.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
