// Finding and making elements.

/** An element of index.html. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found as T;
}

type Content = Node | string;

/** What an element is made with: its properties, and attributes that are none, by their names. */
type Properties<T> = Partial<Omit<T, "style" | "attributes">> & { attributes?: Record<string, string> };

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { attributes = {}, ...properties }: Properties<HTMLElementTagNameMap[K]> = {},
  ...content: Content[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

/** A button that does something. */
export function button(text: string, onclick: () => void, properties: Properties<HTMLButtonElement> = {}) {
  return make("button", { type: "button", onclick, ...properties }, text);
}

/** Shows a text in an element that is hidden while there is none. */
export function show(place: HTMLElement, text: string | undefined): void {
  place.hidden = !text;
  place.textContent = text ?? "";
}

/** Sets a text where it is another: what stays the same is not laid out again. */
export function setText(place: Node, text: string): void {
  if (place.textContent !== text) place.textContent = text;
}

/** Tells those who listen to the page. */
export function announce(text: string): void {
  element("announce").textContent = text;
}

/** Copies a text. Gives what went wrong, if something did. */
export async function copyText(text: string): Promise<string | undefined> {
  // Pages that came without TLS have no clipboard.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (!clipboard) return "The browser lets only pages that came by https copy.";
  try {
    await clipboard.writeText(text);
    return undefined;
  } catch (error) {
    return `It could not be copied: ${(error as Error).message}`;
  }
}
