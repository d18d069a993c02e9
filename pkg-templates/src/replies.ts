// Runs the replies that requests ask for: one after the other, stopped when nobody wants them any more.
import { PlumeError } from "./errors.js";
import type { FinishReason, TokenLogprob, Usage } from "./openai-types.js";
import type { Checked } from "./requests.js";
import type { CoreUsage, Piece, Runtime, Tells } from "./runtime.js";
import type { SessionCache } from "./session-cache.js";
import { tell } from "./tell.js";
import { Turns } from "./turns.js";
import type { PromptProgress, Stats, StepOptions, StepStats } from "./types.js";

/** What a single call may be given beside the request. */
export interface CallOptions {
  /** Told when the prompt's length is known, then after each part of a long prompt, at last with `processed` equal to `total`. */
  onPromptProgress?: ((progress: PromptProgress) => void) | undefined;
  /** Told of tokens as they come, ahead of their text: what each took. */
  onStep?: ((step: StepStats) => void) | undefined;
  /** Which tokens `onStep` is told of. */
  steps?: StepOptions | null | undefined;
  signal?: AbortSignal | null | undefined;
}

/** A part of one of a request's replies. */
export interface ReplyPart {
  /** Which of them: all of the first prompt come first. */
  index: number;
  /** Whether the reply begins here; then there is no text yet. */
  begins: boolean;
  text: string;
  /** The tokens whose text is out with this part, where the request has asked for them. */
  logprobs: TokenLogprob[];
  finish_reason: FinishReason | null;
  /** Of everything so far. */
  usage: Usage;
}

/** Throws where the caller has aborted. */
export function checkSignal(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw new PlumeError("aborted", "aborted by the caller", { cause: signal.reason });
}

/** The replies of one model. */
export class Replies {
  /** How fast the last one was. */
  speed: Pick<Stats, "tokens_per_second" | "time_to_first_token_ms"> = {};
  private readonly turns = new Turns();

  /** `disposal` is aborted when the model is disposed of. */
  constructor(
    private readonly runtime: () => Promise<Runtime>,
    private readonly disposal: AbortSignal,
  ) {}

  /** Throws where the model was disposed of, or the session. */
  checkAlive(session?: SessionCache): void {
    if (this.disposal.aborted) throw new PlumeError("disposed", "this model was disposed of");
    session?.checkAlive();
  }

  /** The parts of all replies to a request, with a session's cache where one is given. Nothing is computed but what is asked for. */
  async *run(
    request: Checked,
    { onPromptProgress, onStep, steps: given, signal }: CallOptions,
    session?: SessionCache,
  ): AsyncGenerator<ReplyPart, void, undefined> {
    const steps = new Steps(onStep, given ?? {});
    const turn = {};
    // A reply stays with the runtime that began it.
    let runtime: Runtime | undefined;
    let number: number | undefined;
    const end = () => {
      if (number !== undefined) runtime?.end(number);
      number = undefined;
    };
    const leave = () => {
      this.turns.leave(turn);
      end();
    };
    // Also while nobody reads: the next reply must not wait for this one then.
    const ended = AbortSignal.any([this.disposal, signal, session?.ended].filter((one) => one != null));
    ended.addEventListener("abort", leave, { once: true });
    const check = () => {
      checkSignal(signal);
      this.checkAlive(session);
    };
    const use = async <T>(task: () => Promise<T>): Promise<T> => {
      check();
      return this.turns.use(turn, ended, task, session).catch((error: unknown) => {
        check();
        throw error;
      });
    };
    const total = new Total();
    try {
      for (const [prompt, core] of request.prompts.entries())
        for (let reply = 0; reply < request.n; reply++) {
          const index = prompt * request.n + reply;
          let processed = -1;
          const report = ({ processed_tokens, prompt_tokens, cached_tokens }: CoreUsage) => {
            check();
            if (reply > 0 || processed_tokens <= processed) return;
            processed = processed_tokens;
            tell(onPromptProgress, { processed, total: prompt_tokens, cached: cached_tokens });
            check();
          };
          const started = performance.now();
          this.speed = {};
          const seed = (request.seed + reply) % 2 ** 53;
          const begun = await use(async () => {
            runtime = await this.runtime();
            const cache = session && { session: await session.in(runtime) };
            return runtime.begin({ ...core, ...cache, seed }, request.format);
          });
          number = begun.reply;
          report(begun.usage);
          const usage = total.begin(begun.usage, reply === 0);
          yield { index, begins: true, text: "", logprobs: [], finish_reason: null, usage };
          let first: number | undefined;
          // The model's own time, not that of the reader between two parts.
          let later = 0;
          for (;;) {
            const asked = performance.now();
            const piece = await use(() => runtime!.step(number!, steps.due()));
            const { text, logprobs, finish_reason, usage } = piece;
            const now = performance.now();
            report(usage);
            steps.tell(piece);
            if (first !== undefined) later += now - asked;
            else if (usage.completion_tokens > 0) first = now;
            if (first !== undefined) {
              const tokens = usage.completion_tokens - 1;
              this.speed = { time_to_first_token_ms: first - started };
              if (tokens > 0 && later > 0) this.speed.tokens_per_second = tokens / (later / 1000);
            }
            if (text || logprobs.length > 0 || finish_reason)
              yield { index, begins: false, text, logprobs, finish_reason, usage: total.count(usage) };
            if (finish_reason) break;
          }
          end();
        }
    } finally {
      ended.removeEventListener("abort", leave);
      leave();
    }
  }
}

/** Tells a listener of a request's steps. */
class Steps {
  /** When one was asked to tell last, and one to tell of probabilities. What is told comes some steps later. */
  private asked = -Infinity;
  private askedLogprobs = -Infinity;

  constructor(
    private readonly listener: CallOptions["onStep"],
    /** May be changed at any time. */
    private readonly options: StepOptions,
  ) {}

  /** What the next step is to tell, if anything. */
  due(): Tells | undefined {
    if (!this.listener) return undefined;
    const { interval = 0, top_logprobs, logprobs_interval = 0 } = this.options;
    const now = performance.now();
    const isDue = (last: number, interval: number) => interval < Infinity && now - last >= interval;
    if (!isDue(this.asked, interval)) return undefined;
    this.asked = now;
    if (top_logprobs === undefined || !isDue(this.askedLogprobs, logprobs_interval)) return {};
    this.askedLogprobs = now;
    return { top_logprobs };
  }

  tell({ token, activity, token_logprobs, usage }: Piece): void {
    // The parts of a long prompt have nothing to tell.
    if (usage.completion_tokens === 0) this.asked = this.askedLogprobs = -Infinity;
    if (token === undefined || !activity) return;
    const [completion_tokens, skipped_bytes, cache_bytes, expanded_cache_bytes] = activity as unknown as number[];
    tell(this.listener, {
      token,
      ...(token_logprobs && { logprobs: token_logprobs }),
      completion_tokens: completion_tokens!,
      density: Array.from(activity.subarray(4)),
      skipped_bytes: skipped_bytes!,
      cache_bytes: cache_bytes!,
      expanded_cache_bytes: expanded_cache_bytes!,
    });
  }
}

/** The tokens of all replies of a request. A prompt counts once. */
class Total {
  private prompt_tokens = 0;
  private cached_tokens = 0;
  private completion_tokens = 0;
  /** Of the replies before the current one. */
  private before = 0;

  begin({ prompt_tokens, cached_tokens }: CoreUsage, isNewPrompt: boolean): Usage {
    this.before = this.completion_tokens;
    if (isNewPrompt) {
      this.prompt_tokens += prompt_tokens;
      this.cached_tokens += cached_tokens;
    }
    return this.usage();
  }

  count({ completion_tokens }: CoreUsage): Usage {
    this.completion_tokens = this.before + completion_tokens;
    return this.usage();
  }

  private usage(): Usage {
    const { prompt_tokens, completion_tokens, cached_tokens } = this;
    const total_tokens = prompt_tokens + completion_tokens;
    return { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: { cached_tokens } };
  }
}
