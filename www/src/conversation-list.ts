// The list of conversations at the side: choose, rename, delete, and have back what was deleted by mistake.
import { titleOf, wholeTitle, type Conversation } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import { button, element, make } from "./dom.js";

const side = element("conversations");
const list = element("conversation-list");
const toggle = element<HTMLButtonElement>("toggle-conversations");
const undo = element("undo");

/** How long a deleted conversation can be had back. */
const UNDO = 10_000;

/** Whether the list lies over the chat. */
const isOver = () => matchMedia("(max-width: 1179px)").matches;

export function conversationList(conversations: Conversations): { show(): void } {
  let renamed: Conversation | undefined;
  /** Whether a pointer is down on the list. */
  let isPressed = false;
  list.addEventListener("pointerdown", () => (isPressed = true));
  addEventListener("pointerup", () => (isPressed = false));
  let timer: ReturnType<typeof setTimeout> | undefined;

  const open = (isOpen: boolean) => {
    side.hidden = !isOpen;
    toggle.setAttribute("aria-expanded", String(isOpen));
  };
  const choose = (conversation: Conversation) => {
    conversations.choose(conversation);
    if (isOver()) open(false);
  };

  /** The field in which a conversation is renamed. */
  const titleField = (conversation: Conversation) => {
    const title = wholeTitle(conversation);
    const input = make("input", { value: title, maxLength: 200, attributes: { "aria-label": "New title" } });
    const end = (isKept: boolean) => {
      if (renamed !== conversation) return;
      renamed = undefined;
      if (isKept && input.value !== title) conversations.rename(conversation, input.value);
      else show();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.stopPropagation();
      end(event.key === "Enter");
      list.querySelectorAll<HTMLElement>(".conversation")[conversations.list.indexOf(conversation)]?.focus();
    });
    input.addEventListener("blur", () => {
      // A button that is being pressed must still be there when it is let go of.
      if (isPressed) addEventListener("pointerup", () => setTimeout(() => end(true)), { once: true });
      else end(true);
    });
    return input;
  };

  const rename = (conversation: Conversation) => {
    renamed = conversation;
    show();
    const input = list.querySelector("input")!;
    input.focus();
    input.select();
  };

  const remove = (conversation: Conversation) => {
    conversations.delete(conversation);
    undo.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => (undo.hidden = true), UNDO);
    element("undo-delete").focus();
  };

  const row = (conversation: Conversation) => {
    if (conversation === renamed) return make("li", {}, titleField(conversation));
    const title = titleOf(conversation);
    const chosen = conversation === conversations.current ? { attributes: { "aria-current": "true" } } : {};
    const labelled = (verb: string) => ({ attributes: { "aria-label": `${verb} ${title}` } });
    return make(
      "li",
      {},
      button(title, () => choose(conversation), { className: "conversation", ...chosen }),
      button("Rename", () => rename(conversation), labelled("Rename")),
      button("Delete", () => remove(conversation), labelled("Delete")),
    );
  };

  /** What is shown, so that it is made anew only where it is another. */
  let shown = "";
  const show = () => {
    // A title that is being typed is left alone.
    if (renamed && list.contains(document.activeElement) && list.querySelector("input")) return;
    const state = JSON.stringify([
      conversations.list.map((one) => [one.id, titleOf(one), one === conversations.current]),
      renamed?.id,
    ]);
    if (state === shown) return;
    shown = state;
    list.replaceChildren(...conversations.list.map(row));
  };

  element("undo-delete").addEventListener("click", () => {
    undo.hidden = true;
    conversations.restore();
    list.querySelector<HTMLElement>("[aria-current]")?.focus();
  });
  element("new-chat").addEventListener("click", () => {
    conversations.begin();
    if (isOver()) open(false);
    element("prompt").focus();
  });
  toggle.addEventListener("click", () => open(side.hidden !== false));
  side.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isOver()) return;
    event.stopPropagation();
    open(false);
    toggle.focus();
  });
  open(!isOver());
  show();
  return { show };
}
