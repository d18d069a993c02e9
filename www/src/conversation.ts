// A conversation as a tree: an edited question and a reply that is asked for again stand beside what was there before.
import { isRecord } from "./shape.js";

/** What can be followed by messages: a conversation or a message. One of the versions is shown. */
export interface Branch {
  next: Message[];
  chosen: number;
}

export interface Message extends Branch {
  role: "user" | "assistant";
  content: string;
  /** Who wrote a reply, and how fast, in words. */
  note?: string;
}

export interface Conversation extends Branch {
  id: string;
  title: string;
  /** Milliseconds since 1970. */
  changed: number;
  /** Ahead of all messages, if it is not empty. */
  system: string;
}

export function newConversation(system = ""): Conversation {
  return { id: newId(), title: "", changed: Date.now(), system, next: [], chosen: 0 };
}

/** Not `randomUUID`, which pages that came without TLS do not have. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
}

/** The message that is shown after a conversation's beginning or another message. */
export function following(branch: Branch): Message | undefined {
  return branch.next[branch.chosen];
}

/** The messages that are shown. */
export function shown(conversation: Branch): Message[] {
  const messages = [];
  for (let message = following(conversation); message; message = following(message)) messages.push(message);
  return messages;
}

/** Adds a message beside those that are there, and shows it. */
export function add(branch: Branch, role: Message["role"], content: string): Message {
  const message: Message = { role, content, next: [], chosen: 0 };
  branch.chosen = branch.next.push(message) - 1;
  return message;
}

/** Takes a message away again; the newest of the others is shown. */
export function remove(branch: Branch, message: Message): void {
  branch.next = branch.next.filter((other) => other !== message);
  branch.chosen = Math.max(branch.next.length - 1, 0);
}

/** What a message follows. */
export function before(conversation: Conversation, message: Message): Branch {
  const messages = shown(conversation);
  return messages[messages.indexOf(message) - 1] ?? conversation;
}

/** A conversation's title: what it was given, or how it begins. */
export function wholeTitle({ title, next, chosen }: Conversation): string {
  return title || next[chosen]?.content.trim().split("\n")[0] || "New chat";
}

/** The title, cut where it is long. */
export function titleOf(conversation: Conversation): string {
  const title = wholeTitle(conversation);
  return title.length > 60 ? `${title.slice(0, 57)}…` : title;
}

/** A conversation that was kept, if it is one: another version of the page may have kept something else. */
export function asConversation(value: unknown): Conversation | undefined {
  if (!isRecord(value) || !isBranch(value)) return undefined;
  const { id, title, changed, system } = value;
  const texts = [id, title, system].every((text) => typeof text === "string");
  if (!texts || typeof changed !== "number") return undefined;
  const conversation = value as unknown as Conversation;
  dropEmpty(conversation);
  return conversation;
}

/** Drops replies of which nothing came: the page was closed before. */
function dropEmpty(branch: Branch): void {
  branch.next = branch.next.filter(({ role, content }) => role === "user" || content !== "");
  branch.chosen = Math.max(Math.min(branch.chosen, branch.next.length - 1), 0);
  branch.next.forEach(dropEmpty);
}

function isBranch(value: Record<string, unknown>): boolean {
  const { next, chosen } = value;
  return Array.isArray(next) && Number.isInteger(chosen) && next.every(isMessage);
}

function isMessage(value: unknown): boolean {
  return (
    isRecord(value) &&
    (value.role === "user" || value.role === "assistant") &&
    typeof value.content === "string" &&
    isBranch(value)
  );
}
