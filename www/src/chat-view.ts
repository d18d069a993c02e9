// The messages of a conversation on the page, each with what can be done with it.
import { before, following, shown, type Conversation, type Message } from "./conversation.js";
import { announce, button, copyText, element, make, setText } from "./dom.js";

const place = element("messages");
const welcome = element("welcome");

/** Pixels from the end within which a reader follows what is written. */
const NEAR = 80;

/** What a visitor can do with messages. */
export interface MessageActions {
  /** Sends a question in another form. Tells whether that is possible now. */
  edit(message: Message, content: string): boolean;
  /** Shows the conversation as it is by now. */
  refresh(): void;
  /** Asks for a reply to a question, another one if there is one. */
  answer(question: Message): void;
  /** Shows another version. */
  choose(message: Message, version: number): void;
}

export class ChatView {
  private conversation: Conversation | undefined;
  private readonly places = new Map<Message, HTMLElement>();
  /** Of text with Markdown, once that is there; plain until then. */
  private write: (place: HTMLElement, text: string) => void = setText;
  private drawing: Message | undefined;
  /** What is shown, so that it is made anew only where it is another. */
  private state: unknown[] = [];
  /** Whether a question is being edited: then nothing is made anew, so that what was typed stays. */
  private isEditing = false;

  constructor(private readonly actions: MessageActions) {
    // Not needed for the first look at the page.
    const loaded = ({ showMarkdown }: typeof import("./markdown.js")) => {
      for (const [message, place] of this.places) {
        if (message.role !== "assistant") continue;
        const content = place.querySelector<HTMLElement>(".content")!;
        content.replaceChildren();
        showMarkdown(content, message.content);
      }
      this.write = showMarkdown;
    };
    import("./markdown.js").then(loaded, () => {}); // Without it the text is plain.
  }

  /** Shows a conversation. `writing` is the reply that is being written, `isBusy` whether there is one, here or elsewhere. */
  show(conversation: Conversation, writing: Message | undefined, isBusy: boolean): void {
    const isOther = conversation !== this.conversation;
    if (this.isEditing && !isOther && !isBusy) return;
    this.isEditing = false;
    this.conversation = conversation;
    const messages = shown(conversation);
    const state = [conversation, writing, isBusy, ...messages.flatMap((message) => this.stateOf(message, writing))];
    if (state.length === this.state.length && state.every((value, index) => value === this.state[index])) return;
    this.state = state;
    const focus = focused();
    const follows = isOther || isNearEnd();
    welcome.hidden = messages.length > 0;
    for (const suggestion of welcome.querySelectorAll("button")) suggestion.disabled = isBusy;
    this.places.clear();
    for (const old of place.querySelectorAll(".message")) old.remove();
    for (const message of messages) place.append(this.render(message, writing, isBusy));
    if (follows) place.scrollTop = place.scrollHeight;
    if (focus) refocus(focus);
  }

  /** What of a message is seen, but for the text that is being written. */
  private stateOf(message: Message, writing: Message | undefined): unknown[] {
    const { next, chosen } = before(this.conversation!, message);
    return [
      message,
      message === writing || message.content,
      message.note,
      next.length,
      chosen,
      message.next.length > 0,
    ];
  }

  /** Shows more of a reply, at the next frame: tokens may come faster than the screen is drawn. */
  update(message: Message): void {
    if (this.drawing) return;
    this.drawing = message;
    requestAnimationFrame(() => {
      this.drawing = undefined;
      const shownAt = this.places.get(message);
      if (!shownAt) return;
      const follows = isNearEnd();
      this.write(shownAt.querySelector(".content")!, message.content);
      if (follows) place.scrollTop = place.scrollHeight;
    });
  }

  private render(message: Message, writing: Message | undefined, isBusy: boolean): HTMLElement {
    const isMine = message.role === "user";
    const content = make("div", { className: "content" });
    if (isMine) content.textContent = message.content;
    else this.write(content, message.content);
    const made = make(
      "article",
      { className: `message ${message.role}` },
      make("h3", { className: "unseen" }, isMine ? "You" : "Reply"),
      content,
    );
    if (message === writing) {
      made.classList.add("writing");
      made.ariaBusy = "true";
    } else made.append(this.tools(message, made, isBusy));
    this.places.set(message, made);
    return made;
  }

  private tools(message: Message, shownAt: HTMLElement, isBusy: boolean): HTMLElement {
    const isMine = message.role === "user";
    const copy = button("Copy", () => {
      void copyText(message.content).then((failure) => {
        setText(copy, failure ? "Not copied" : "Copied");
        announce(failure ?? "Copied");
        setTimeout(() => setText(copy, "Copy"), 1500);
      });
    });
    const change = isMine ? [button("Edit", () => this.edit(message, shownAt), { disabled: isBusy })] : [];
    // A question that got no reply can be asked again, too.
    const question = isMine ? (following(message) ? undefined : message) : before(this.conversation!, message);
    if (question)
      change.push(button("Try again", () => this.actions.answer(question as Message), { disabled: isBusy }));
    const tools = make("div", { className: "tools" }, copy, ...change, ...this.versions(message, isBusy));
    if (message.note) tools.append(make("span", { className: "note" }, message.note));
    return tools;
  }

  /** The other versions of a message, if there are any. */
  private versions(message: Message, isBusy: boolean): HTMLElement[] {
    const { next, chosen } = before(this.conversation!, message);
    if (next.length < 2) return [];
    const turn = (text: string, label: string, version: number) =>
      button(text, () => this.actions.choose(message, version), {
        disabled: isBusy || version < 0 || version >= next.length,
        attributes: { "aria-label": label },
      });
    return [
      turn("‹", "The version before", chosen - 1),
      make("span", { className: "versions" }, `${chosen + 1} of ${next.length}`),
      turn("›", "The version after", chosen + 1),
    ];
  }

  /** Puts a question into a field, to be sent in another form. */
  private edit(message: Message, shownAt: HTMLElement): void {
    const input = make("textarea", { value: message.content, attributes: { "aria-label": "Edit your message" } });
    const index = shown(this.conversation!).indexOf(message);
    const cancel = () => {
      this.isEditing = false;
      this.state = [];
      this.actions.refresh();
    };
    const send = () => {
      const content = input.value.trim();
      // Another tab may have put other objects in the place of the messages.
      if (content) this.actions.edit(shown(this.conversation!)[index] ?? message, content);
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        cancel();
      }
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    const row = make(
      "div",
      { className: "row" },
      button("Send", send, { className: "main" }),
      button("Cancel", cancel),
    );
    this.isEditing = true;
    shownAt.classList.add("editing");
    shownAt.replaceChildren(input, row);
    input.focus();
  }
}

function isNearEnd(): boolean {
  return place.scrollHeight - place.scrollTop - place.clientHeight < NEAR;
}

/** Where the focus is among the messages: the number of the message, and what the button says. */
interface Focus {
  index: number;
  name: string;
}

const nameOf = (button: Element) => button.ariaLabel ?? button.textContent ?? "";

function focused(): Focus | undefined {
  const active = document.activeElement;
  const message = active?.closest(".message");
  if (!active || !message) return undefined;
  return { index: [...place.querySelectorAll(".message")].indexOf(message), name: nameOf(active) };
}

/** Goes back to a button when messages were made anew: to the same, to another of its message, or to where one writes on. */
function refocus({ index, name }: Focus): void {
  const message = place.querySelectorAll(".message")[index];
  const buttons = [...(message?.querySelectorAll<HTMLElement>("button:enabled") ?? [])];
  const again = buttons.find((button) => nameOf(button) === name) ?? buttons[0];
  const stop = element("stop");
  (again ?? (stop.hidden ? element("prompt") : stop)).focus();
}
