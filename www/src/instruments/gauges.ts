// The parts that instruments are made of. They are made once, and then only texts and sizes change.
import { make, setText } from "../dom.js";
import { percent } from "../units.js";

let hints = 0;

/** An instrument with its name, and a sentence that says what it shows to who points at it or comes to it by keyboard. */
export function instrument(name: string, explanation: string, ...content: Node[]): HTMLElement {
  const hint = make("p", { id: `hint-${++hints}`, className: "hint", role: "tooltip" }, explanation);
  const head = make("h3", { tabIndex: 0, attributes: { "aria-describedby": hint.id } }, name);
  return make("section", { className: "instrument" }, head, hint, ...content);
}

/** A bar of two parts. */
export class Split {
  private readonly part = make("div", { className: "part" });
  private readonly left = make("span");
  private readonly right = make("span");
  readonly place = make(
    "div",
    { className: "split" },
    make("div", { className: "bar" }, this.part),
    make("p", {}, this.left, this.right),
  );

  show(share: number, left: string, right: string): void {
    this.part.style.transform = `scaleX(${Math.min(Math.max(share, 0), 1).toFixed(4)})`;
    setText(this.left, left);
    setText(this.right, right);
  }
}

/** A token that was chosen, or might have been, and how likely that was. */
export interface Candidate {
  text: string;
  probability: number;
  isChosen: boolean;
}

/** Candidates below each other, always as many lines. */
export class Candidates {
  private readonly lines: { line: HTMLElement; bar: HTMLElement; text: HTMLElement; share: HTMLElement }[];
  readonly place: HTMLElement;

  constructor(count: number) {
    this.lines = Array.from({ length: count }, () => {
      const [bar, text, share] = [make("div", { className: "bar" }), make("code"), make("span")];
      return { bar, text, share, line: make("li", {}, bar, text, share) };
    });
    this.place = make("ol", { className: "candidates" }, ...this.lines.map(({ line }) => line));
  }

  show(candidates: Candidate[]): void {
    for (const [index, { line, bar, text, share }] of this.lines.entries()) {
      const candidate = candidates[index];
      line.classList.toggle("chosen", candidate?.isChosen === true);
      bar.style.transform = `scaleX(${(candidate?.probability ?? 0).toFixed(4)})`;
      setText(text, candidate ? visible(candidate.text) : "");
      setText(share, candidate ? percent(candidate.probability) : "");
    }
  }
}

/** Marks for what would not be seen. */
export function visible(text: string): string {
  return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

/** The last of numbers as a line. */
export class Sparkline {
  private readonly line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  readonly place = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private values: number[] = [];

  constructor(private readonly length: number) {
    this.place.setAttribute("viewBox", `0 0 ${length - 1} 20`);
    this.place.setAttribute("preserveAspectRatio", "none");
    this.place.setAttribute("aria-hidden", "true");
    this.place.setAttribute("class", "sparkline");
    this.place.append(this.line);
  }

  push(value: number): void {
    this.values = [...this.values, value].slice(-this.length);
    const most = Math.max(...this.values, 1e-9);
    const first = this.length - this.values.length;
    const points = this.values.map((value, index) => `${first + index},${(19 - (18 * value) / most).toFixed(1)}`);
    this.line.setAttribute("points", points.join(" "));
  }
}
