// Asks the model, and writes down what it replies.
import { PlumeError, type Plume, type PromptProgress, type Stats, type StepOptions, type StepStats } from "plume-lm";
import { ChatView } from "./chat-view.js";
import { add, before, remove, shown, titleOf, type Branch, type Conversation, type Message } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import { announce, element, setText, show } from "./dom.js";
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
  /** A reply begins. Gives which of its steps are to be told. */
  begin(): StepOptions;
  step(step: StepStats): void;
  /** It has ended. A model that is gone tells nothing more. */
  end(stats: Stats | undefined): void;
}

/** A reply in the making. */
interface Reply {
  conversation: Conversation;
  answer: Message;
  abort: AbortController;
  /** What writes it, once that is there. */
  lm?: Plume;
}

export class Chat {
  /** Who else has the model at work, in words, if somebody has. */
  blocked: string | undefined;
  private reply: Reply | undefined;
  private shown: Conversation | undefined;
  private readonly view: ChatView;

  constructor(
    private readonly model: Model,
    private readonly conversations: Conversations,
    private readonly settings: Settings,
    private readonly listener: Listener,
  ) {
    this.view = new ChatView({
      edit: (message, content) => this.ask(before(conversations.current, message), content),
      refresh: () => this.show(),
      answer: (question) => {
        if (this.isFree()) void this.answer(question);
      },
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
    if (!CSS.supports("field-sizing", "content")) prompt.addEventListener("input", growPrompt);
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
    // What went wrong in one conversation is no matter of another.
    if (this.shown && this.shown !== current) show(error, undefined);
    this.shown = current;
    if (this.reply && this.conversations.isDeleted(this.reply.conversation)) this.stop();
    const hadFocus = [send, stop].includes(document.activeElement as HTMLButtonElement);
    send.hidden = this.isBusy;
    stop.hidden = !this.isBusy;
    if (hadFocus) (this.isBusy ? stop : prompt).focus();
    this.view.show(current, this.reply?.answer, this.isBusy);
  }

  stop(): void {
    this.reply?.abort.abort();
  }

  /** Sends a question: what was typed, unless another is given. */
  send(given?: string): void {
    const content = given ?? prompt.value.trim();
    if (!content || !this.isFree()) return;
    if (given === undefined) {
      prompt.value = "";
      prompt.style.height = "";
    }
    const { current } = this.conversations;
    this.ask(shown(current).at(-1) ?? current, content);
  }

  /** Asks after a message, or at the beginning. Tells whether that is possible now. */
  private ask(after: Branch, content: string): boolean {
    const isFree = this.isFree();
    if (isFree) void this.answer(add(after, "user", content), after);
    return isFree;
  }

  /** Whether a question can be answered now. Where it cannot, says why. */
  private isFree(): boolean {
    const elsewhere = this.reply && `a reply is being written in “${titleOf(this.reply.conversation)}”`;
    const why = this.blocked ?? elsewhere;
    if (why) show(error, `The model is at work: ${why}. Stop it, or wait.`);
    return !why;
  }

  /** Has a question answered. Where nothing comes, one that is new goes back to where it can be sent again, if there is room. */
  private async answer(question: Message, isNewAfter?: Branch): Promise<void> {
    const conversation = this.conversations.current;
    const messages = this.messages(conversation, question);
    show(error, undefined);
    if (this.model.lm) this.model.onError(undefined);
    // Without the reply that is nothing yet: a tab that is closed now leaves no empty one.
    this.conversations.save(conversation);
    const answer = add(question, "assistant", "");
    const abort = new AbortController();
    const reply: Reply = (this.reply = { conversation, answer, abort });
    this.conversations.writing = conversation;
    this.conversations.onChange();
    let broken: PlumeError | undefined;
    try {
      await this.write(reply, messages);
    } catch (thrown) {
      // Where another model was loaded, what the last one wrote stays as far as it got.
      const isWanted = !(thrown instanceof PlumeError && thrown.code === "disposed");
      if (isWanted && !abort.signal.aborted) show(error, (thrown as Error).message);
      if (isBroken(thrown)) broken = thrown;
    }
    show(reading, undefined);
    this.reply = this.conversations.writing = undefined;
    if (answer.content) announce(`Reply: ${answer.content}`);
    else {
      remove(question, answer);
      if (isNewAfter && !prompt.value && conversation === this.conversations.current) {
        remove(isNewAfter, question);
        prompt.value = question.content;
      }
    }
    this.conversations.save(conversation);
    if (broken && reply.lm) await this.model.recover(reply.lm, broken);
  }

  /** What the model is given: all that was said until the question. */
  private messages(conversation: Conversation, question: Message) {
    const until = shown(conversation);
    const said = until.slice(0, until.indexOf(question) + 1).map(({ role, content }) => ({ role, content }));
    const system = conversation.system.trim();
    return system ? [{ role: "system" as const, content: system }, ...said] : said;
  }

  /** Writes a reply as it comes. What has come before an error stays. */
  private async write(reply: Reply, messages: ReturnType<Chat["messages"]>): Promise<void> {
    const { answer } = reply;
    const { signal } = reply.abort;
    if (!this.model.lm) show(reading, "Waiting for the model …");
    const lm = (reply.lm = await this.model.ready(signal));
    const { name } = this.model;
    const steps = this.listener.begin();
    const { seed = Math.floor(Math.random() * 2 ** 31), max_tokens, ...sampling } = this.settings.sampling;
    const request = {
      messages,
      stream: true as const,
      seed,
      ...sampling,
      ...(max_tokens !== undefined && { max_tokens }),
    };
    const onStep = (step: StepStats) => this.listener.step(step);
    let isCut = false;
    try {
      const options = { signal, onPromptProgress: showReading, steps, onStep };
      for await (const { choices } of await lm.chat.completions.create(request, options)) {
        const [choice] = choices;
        if (choice?.delta.content) {
          answer.content += choice.delta.content;
          this.view.update(answer);
        }
        isCut = choice?.finish_reason === "length";
      }
    } catch (thrown) {
      const isReplaced = thrown instanceof PlumeError && thrown.code === "disposed";
      // Nothing of it was read yet: the model that has come answers it.
      if (isReplaced && !answer.content && !signal.aborted) return this.write(reply, messages);
      throw thrown;
    } finally {
      const stats = await lm.stats().catch(() => undefined);
      const rate = stats?.tokens_per_second;
      const ends = [isCut && "cut at its longest", signal.aborted && "stopped"];
      answer.note ||= [name, rate && `${speed(rate)} tokens/s`, ...ends].filter(Boolean).join(" · ");
      this.listener.end(stats);
    }
  }
}

/** As tall as what is typed, where the style cannot say so. */
function growPrompt(): void {
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight + prompt.offsetHeight - prompt.clientHeight}px`;
}

/** Tells how far a prompt is read, where that takes long enough to be told. */
function showReading({ processed, total, cached }: PromptProgress): void {
  const isLong = total - cached > LONG_PROMPT && processed < total;
  const amount = `${processed.toLocaleString("en")} of ${total.toLocaleString("en")}`;
  setText(reading, isLong ? `Reading the prompt: ${amount} tokens` : "");
  reading.hidden = !isLong;
}
