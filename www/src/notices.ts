// What a visitor should know and need not act on.
import { button, element, make } from "./dom.js";
import { read, write } from "./kept.js";

/** What a notice may have beside its text. */
interface NoticeOptions {
  actions?: HTMLElement[];
  /** Whether who closes it need not read the same at another visit. */
  once?: boolean;
}

/** The texts that were closed at this visit, by the notices' names. */
const closedNow = new Map<string, string>();

/** Shows a notice until it is closed, in place of the one of the same name; without a text, takes that away. */
export function notice(
  name: string,
  text: string | undefined,
  { actions = [], once = false }: NoticeOptions = {},
): void {
  const id = `notice-${name}`;
  const shown = document.getElementById(id);
  if (shown?.firstChild?.textContent === text) return;
  shown?.remove();
  const closed = `closed.${name}`;
  if (!text || closedNow.get(name) === text || (once && read(closed) === text)) return;
  const dismiss = () => {
    made.remove();
    closedNow.set(name, text);
    if (once) write(closed, text);
  };
  const close = button("Close", dismiss, { attributes: { "aria-label": "Close this notice" } });
  const made = make("p", { id, className: "notice" }, make("span", {}, text), ...actions, close);
  element("notices").append(made);
}
