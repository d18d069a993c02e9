// Markdown to elements. Nothing of a model's text is ever taken as HTML: marked only says what is what, and every element is made
// here, from a short list. Links lead on only when they are clicked, and pictures are links, so that nothing is fetched.
import { Lexer, type MarkedToken, type Token, type Tokens } from "marked";
import { make } from "./dom.js";

/** The blocks that an element shows. */
const shown = new WeakMap<HTMLElement, string[]>();

/** Shows a text. Blocks that are there already, as while a reply grows, are left alone. */
export function showMarkdown(place: HTMLElement, text: string): void {
  const blocks = Lexer.lex(text).filter(({ type }) => type !== "space" && type !== "def");
  const before = shown.get(place) ?? [];
  const raw = blocks.map((block) => block.raw);
  let same = 0;
  while (same < raw.length && raw[same] === before[same]) same++;
  while (place.childNodes.length > same) place.lastChild!.remove();
  place.append(...blocks.slice(same).map(block));
  shown.set(place, raw);
}

function block(token: Token): Node {
  const known = token as MarkedToken;
  switch (known.type) {
    case "heading": {
      // The page has headings of its own above these.
      const level = Math.min(known.depth + 2, 6) as 3 | 4 | 5 | 6;
      return make(`h${level}`, {}, ...inline(known.tokens));
    }
    case "paragraph":
      return make("p", {}, ...inline(known.tokens));
    case "blockquote":
      return make("blockquote", {}, ...known.tokens.map(block));
    case "code":
      return make("pre", { tabIndex: 0 }, make("code", {}, known.text));
    case "list":
      return list(known);
    case "table":
      return table(known);
    case "hr":
      return make("hr");
    case "text":
      return known.tokens ? make("p", {}, ...inline(known.tokens)) : make("p", {}, decoded(known.text));
    default:
      return make("p", {}, token.raw.trimEnd());
  }
}

function list({ ordered, start, items, loose }: Tokens.List): HTMLElement {
  const made = items.map(({ tokens }) => {
    // Only a loose list's items have paragraphs.
    const content = tokens.flatMap((token) => {
      const tight = !loose && token.type === "text" && "tokens" in token && token.tokens;
      return tight ? inline(tight) : token.type === "checkbox" ? inline([token]) : block(token);
    });
    return make("li", {}, ...content);
  });
  return ordered ? make("ol", { start: Number(start) || 1 }, ...made) : make("ul", {}, ...made);
}

function table({ header, rows, align }: Tokens.Table): HTMLElement {
  const cells = (tag: "th" | "td", row: Tokens.TableCell[]) =>
    row.map(({ tokens }, column) => make(tag, { className: align[column] ?? "" }, ...inline(tokens)));
  const head = make("thead", {}, make("tr", {}, ...cells("th", header)));
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells("td", row))));
  return make("div", { className: "wide", tabIndex: 0 }, make("table", {}, head, body));
}

function inline(tokens: Token[]): (Node | string)[] {
  return tokens.map((token) => {
    const known = token as MarkedToken;
    switch (known.type) {
      case "text":
        return known.tokens ? make("span", {}, ...inline(known.tokens)) : decoded(known.text);
      case "escape":
        return known.text;
      case "strong":
        return make("strong", {}, ...inline(known.tokens));
      case "em":
        return make("em", {}, ...inline(known.tokens));
      case "del":
        return make("del", {}, ...inline(known.tokens));
      case "codespan":
        return make("code", {}, known.text);
      case "br":
        return make("br");
      case "checkbox":
        return known.checked ? "☑ " : "☐ ";
      case "link":
        return link(known.href, inline(known.tokens));
      case "image":
        return link(known.href, [known.text || "picture"]);
      default:
        return token.raw;
    }
  });
}

/** A link where it leads to the web; elsewhere only what it says. */
function link(address: string, content: (Node | string)[]): Node {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !["https:", "http:", "mailto:"].includes(url.protocol)) return make("span", {}, ...content);
  return make("a", { href: url.href, target: "_blank", rel: "noopener noreferrer", title: url.href }, ...content);
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", nbsp: "\u00a0" };

/** Text, with the few entities in it that models write. */
function decoded(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => ENTITIES[name]!);
}
