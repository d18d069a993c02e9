// All conversations, the newest first, each kept under its own name. Other tabs keep theirs in the same place.
import { asConversation, newConversation, newId, type Conversation } from "./conversation.js";
import { names, onOtherTab, read, write } from "./kept.js";

const NAME = "conversation.";

export class Conversations {
  list: Conversation[];
  current: Conversation;
  /** The one that a reply is being written in. */
  writing: Conversation | undefined;
  /** Told when the list or the current conversation is another. */
  onChange = () => {};
  /** By their ids, here or in another tab: what is still done in them is not kept. */
  private readonly deleted = new Set<string>();
  private lastDeleted: Conversation | undefined;

  constructor() {
    const found = names(NAME).map((name) => asConversation(read(name)));
    this.list = found.filter((one) => one !== undefined).sort(newestFirst);
    this.current = newConversation(this.list[0]?.system);
    onOtherTab((name) => {
      if (name.startsWith(NAME)) this.follow(name.slice(NAME.length));
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

  /** Keeps a conversation as it is now, as the newest. One that was deleted stays so. */
  save(conversation: Conversation): void {
    conversation.changed = Date.now();
    this.keep(conversation);
  }

  rename(conversation: Conversation, title: string): void {
    conversation.title = title.trim();
    this.keep(conversation);
  }

  /** Deletes a conversation, until {@link restore}. */
  delete(conversation: Conversation): void {
    this.lastDeleted = conversation;
    this.deleted.add(conversation.id);
    this.list = this.list.filter((other) => other !== conversation);
    write(NAME + conversation.id, undefined);
    if (this.current === conversation) this.begin();
    else this.onChange();
  }

  isDeleted(conversation: Conversation): boolean {
    return this.deleted.has(conversation.id);
  }

  /** Brings back what was deleted last. */
  restore(): void {
    const conversation = this.lastDeleted;
    this.lastDeleted = undefined;
    if (!conversation) return;
    this.deleted.delete(conversation.id);
    this.current = conversation;
    this.keep(conversation);
  }

  private keep(conversation: Conversation): void {
    if (!this.isDeleted(conversation)) {
      const others = this.list.filter((other) => other !== conversation);
      const isEmpty = conversation.next.length === 0;
      this.list = isEmpty ? others : [conversation, ...others].sort(newestFirst);
      write(NAME + conversation.id, isEmpty ? undefined : conversation);
    }
    this.onChange();
  }

  /** Does what another tab has done to a conversation. Every conversation here stays the same object. */
  private follow(id: string): void {
    const mine = [this.current, ...this.list].find((one) => one.id === id);
    const theirs = asConversation(read(NAME + id));
    if (!theirs) {
      this.list = this.list.filter((one) => one.id !== id);
      if (mine && mine === this.writing) {
        this.deleted.add(id);
        if (mine === this.current) return this.begin();
        // What is on the screen stays there, and is another one's beginning, should it go on.
      } else if (mine) mine.id = newId();
    } else {
      this.deleted.delete(id);
      if (mine && mine === this.writing) {
        // Both go on with it: each keeps its own.
        mine.id = newId();
        this.list.push(theirs);
      } else if (mine) Object.assign(mine, theirs);
      if (mine && !this.list.includes(mine)) this.list.push(mine);
      else if (!mine) this.list.push(theirs);
      this.list.sort(newestFirst);
    }
    this.onChange();
  }
}

const newestFirst = (a: Conversation, b: Conversation) => b.changed - a.changed;
