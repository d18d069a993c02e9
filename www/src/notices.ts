// What a visitor should know and need not act on.
import { button, element, make } from "./dom.js";
import { read, write } from "./kept.js";

/** Shows a notice, in place of the one of the same name, until it is closed, which is for good; without a text, takes that away. */
export function notice(name: string, text: string | undefined, ...actions: HTMLElement[]): void {
  const id = `notice-${name}`;
  document.getElementById(id)?.remove();
  const closed = `closed.${name}`;
  if (!text || read(closed) === text) return;
  const dismiss = () => {
    made.remove();
    write(closed, text);
  };
  const close = button("Close", dismiss, { attributes: { "aria-label": "Close this notice" } });
  const made = make("p", { id, className: "notice" }, make("span", {}, text), ...actions, close);
  element("notices").append(made);
}
