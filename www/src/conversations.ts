// All conversations, the newest first, each kept under its own name.
import { asConversation, newConversation, type Conversation } from "./conversation.js";
import { names, onOtherTab, read, write } from "./kept.js";

const NAME = "conversation.";

export class Conversations {
  list: Conversation[] = [];
  current: Conversation;
  /** Told when the list or the current conversation is another. */
  onChange = () => {};
  private deleted: Conversation | undefined;

  constructor() {
    this.readAll();
    this.current = newConversation(this.list[0]?.system);
    onOtherTab((name) => {
      if (!name.startsWith(NAME)) return;
      this.readAll();
      this.onChange();
    });
  }

  /** Begins a conversation. It is kept, and in the list, once it has a message. */
  begin(): void {
    this.choose(newConversation(this.current.system));
  }

  choose(conversation: Conversation): void {
    this.current = conversation;
    this.onChange();
  }

  /** Keeps a conversation as it is now. */
  save(conversation: Conversation): void {
    conversation.changed = Date.now();
    if (conversation.next.length === 0) {
      this.list = this.list.filter((other) => other !== conversation);
      write(NAME + conversation.id, undefined);
    } else {
      this.list = [conversation, ...this.list.filter((other) => other !== conversation)];
      write(NAME + conversation.id, conversation);
    }
    this.onChange();
  }

  rename(conversation: Conversation, title: string): void {
    conversation.title = title.trim();
    write(NAME + conversation.id, conversation);
    this.onChange();
  }

  /** Deletes a conversation, until {@link restore}. */
  delete(conversation: Conversation): void {
    this.deleted = conversation;
    this.list = this.list.filter((other) => other !== conversation);
    write(NAME + conversation.id, undefined);
    if (this.current === conversation) this.begin();
    else this.onChange();
  }

  /** Brings back what was deleted last. */
  restore(): void {
    const conversation = this.deleted;
    this.deleted = undefined;
    if (!conversation) return;
    const { changed } = conversation;
    this.save(conversation);
    conversation.changed = changed;
    write(NAME + conversation.id, conversation);
    this.list.sort(newestFirst);
    this.choose(conversation);
  }

  /** Reads what is kept. What is in use here stays the same object. */
  private readAll(): void {
    const found = names(NAME).map((name) => asConversation(read(name)));
    const mine = (other: Conversation) => (other.id === this.current?.id ? this.current : other);
    this.list = found
      .filter((one) => one !== undefined)
      .map(mine)
      .sort(newestFirst);
  }
}

const newestFirst = (a: Conversation, b: Conversation) => b.changed - a.changed;
