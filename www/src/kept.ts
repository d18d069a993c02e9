// What the page keeps in the browser between visits, each thing under a name. Nothing of it leaves the browser.

const PREFIX = "plume.";
let storage: Storage | undefined;
/** What could not be kept, by its name. */
const lost = new Map<string, unknown>();

try {
  storage = localStorage;
} catch {
  // Forbidden by the visitor.
}

/** What is kept under a name, if it is there and is JSON. */
export function read(name: string): unknown {
  try {
    return JSON.parse(storage?.getItem(PREFIX + name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value under a name; without one, forgets it, and there is room for what could not be kept. */
export function write(name: string, value: unknown): void {
  lost.delete(name);
  if (value !== undefined) return put(name, value);
  storage?.removeItem(PREFIX + name);
  for (const [other, value] of [...lost]) write(other, value);
}

function put(name: string, value: unknown): void {
  try {
    storage?.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    lost.set(name, value);
  }
}

/** The names that begin so. */
export function names(beginning: string): string[] {
  return Object.keys(storage ?? {})
    .filter((key) => key.startsWith(PREFIX + beginning))
    .map((key) => key.slice(PREFIX.length));
}

/** Why not everything is kept, if that is so. */
export function whyNotKept(): string | undefined {
  if (!storage) return "This browser lets the page keep nothing: conversations are gone when it is closed.";
  if (lost.size === 0) return undefined;
  return "The browser's room for this page is full: delete conversations, or what was said last is gone when it is closed.";
}

/** Tells when another tab has kept something, or forgotten it, with its name. */
export function onOtherTab(listener: (name: string) => void): void {
  addEventListener("storage", ({ key }) => {
    if (key?.startsWith(PREFIX)) listener(key.slice(PREFIX.length));
  });
}
