// Asks the model, and writes down what it replies.
import { PlumeError, type PromptProgress, type Stats, type StepOptions, type StepStats } from "plume-lm";
import { ChatView } from "./chat-view.js";
import { add, before, remove, shown, type Branch, type Conversation, type Message } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import { announce, element, setText, show } from "./dom.js";
import { whyNotKept } from "./kept.js";
import { isBroken, type Model } from "./model.js";
import type { Settings } from "./settings.js";
import { speed } from "./units.js";

const prompt = element<HTMLTextAreaElement>("prompt");
const send = element<HTMLButtonElement>("send");
const stop = element<HTMLButtonElement>("stop");
const error = element("error");
const reading = element("reading");

/** Prompts that are shorter are read before anybody could read how far. */
const LONG_PROMPT = 256;
/** Who wants to know of a reply's tokens. */
export interface Listener {
  /** A reply begins. Gives which of its steps are to be told, if any. */
  begin(): StepOptions | undefined;
  step(step: StepStats): void;
  end(stats: Stats): void;
}

/** A reply in the making. */
interface Reply {
  conversation: Conversation;
  answer: Message;
  abort: AbortController;
}

export class Chat {
  private reply: Reply | undefined;
  private readonly view: ChatView;

  constructor(
    private readonly model: Model,
    private readonly conversations: Conversations,
    private readonly settings: Settings,
    private readonly listener: Listener,
  ) {
    this.view = new ChatView({
      edit: (message, content) => this.ask(before(conversations.current, message), content),
      regenerate: (message) => void this.answer(before(conversations.current, message) as Message),
      choose: (message, version) => {
        before(conversations.current, message).chosen = version;
        conversations.save(conversations.current);
      },
    });
    element("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    stop.addEventListener("click", () => this.stop());
    addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && !document.querySelector("dialog[open]")) this.stop();
    });
    // A tab that is closed keeps what was written so far.
    addEventListener("pagehide", () => {
      if (this.reply?.answer.content) conversations.save(this.reply.conversation);
    });
  }

  /** Whether a reply is being written. */
  get isBusy(): boolean {
    return this.reply !== undefined;
  }

  show(): void {
    const { current } = this.conversations;
    send.hidden = this.isBusy;
    stop.hidden = !this.isBusy;
    this.view.show(current, this.reply?.answer, this.isBusy);
  }

  stop(): void {
    this.reply?.abort.abort();
  }

  /** Sends a question as if it had been typed. */
  send(content = prompt.value.trim()): void {
    if (!content || this.isBusy) return;
    prompt.value = "";
    const { current } = this.conversations;
    this.ask(shown(current).at(-1) ?? current, content);
  }

  private ask(after: Branch, content: string): void {
    if (!this.isBusy) void this.answer(add(after, "user", content), after);
  }

  /** Has a question answered. Where nothing comes, a question that is new goes back to where it can be sent again. */
  private async answer(question: Message, isNewAfter?: Branch): Promise<void> {
    const conversation = this.conversations.current;
    const messages = this.messages(conversation, question);
    const answer = add(question, "assistant", "");
    const abort = new AbortController();
    this.reply = { conversation, answer, abort };
    show(error, undefined);
    this.conversations.save(conversation);
    let broken: PlumeError | undefined;
    try {
      await this.write(answer, messages, abort.signal);
    } catch (thrown) {
      // Where another model was loaded, what the last one wrote stays as far as it got.
      const isWanted = !(thrown instanceof PlumeError && ["aborted", "disposed"].includes(thrown.code));
      if (isWanted && !abort.signal.aborted) show(error, (thrown as Error).message);
      if (isBroken(thrown)) broken = thrown;
    }
    show(reading, undefined);
    this.reply = undefined;
    if (!answer.content) {
      remove(question, answer);
      if (isNewAfter) {
        remove(isNewAfter, question);
        if (!prompt.value) prompt.value = question.content;
      }
    } else announce(`Reply: ${answer.content}`);
    this.conversations.save(conversation);
    const lost = whyNotKept();
    if (lost) show(error, lost);
    if (broken) await this.model.recover(broken);
  }

  /** What the model is given: all that was said until the question. */
  private messages(conversation: Conversation, question: Message) {
    const until = shown(conversation);
    const said = until.slice(0, until.indexOf(question) + 1).map(({ role, content }) => ({ role, content }));
    const system = conversation.system.trim();
    return system ? [{ role: "system" as const, content: system }, ...said] : said;
  }

  /** Writes a reply as it comes. What has come before an error stays. */
  private async write(answer: Message, messages: ReturnType<Chat["messages"]>, signal: AbortSignal): Promise<void> {
    if (!this.model.lm) show(reading, "Waiting for the model …");
    const lm = await this.model.ready(signal);
    const steps = this.listener.begin();
    const { seed = Math.floor(Math.random() * 2 ** 31), max_tokens, ...sampling } = this.settings.sampling;
    const request = {
      messages,
      stream: true as const,
      seed,
      ...sampling,
      ...(max_tokens !== undefined && { max_tokens }),
    };
    const told = steps && { steps, onStep: (step: StepStats) => this.listener.step(step) };
    let cut = false;
    try {
      const options = { signal, onPromptProgress: showReading, ...told };
      for await (const { choices } of await lm.chat.completions.create(request, options)) {
        const [choice] = choices;
        if (choice?.delta.content) {
          answer.content += choice.delta.content;
          this.view.update(answer);
        }
        cut = choice?.finish_reason === "length";
      }
    } finally {
      const stats = await lm.stats().catch(() => undefined);
      const rate = stats?.tokens_per_second;
      const parts = [
        this.model.name,
        rate && `${speed(rate)} tokens/s`,
        cut && "cut at its longest",
        signal.aborted && "stopped",
      ];
      answer.note = parts.filter(Boolean).join(" · ");
      if (stats) this.listener.end(stats);
    }
  }
}

/** Tells how far a prompt is read, where that takes long enough to be told. */
function showReading({ processed, total, cached }: PromptProgress): void {
  const isLong = total - cached > LONG_PROMPT && processed < total;
  const amount = `${processed.toLocaleString("en")} of ${total.toLocaleString("en")}`;
  setText(reading, isLong ? `Reading the prompt: ${amount} tokens` : "");
  reading.hidden = !isLong;
}
