// The density of every layer over time: a column a token, a row a layer, drawn a few pixels at a time.
import { REMEMBERED, type Seen } from "./recorder.js";

/** The density that has the strongest colour. */
const MOST = 0.5;
const SHADES = 64;

/** A token's column, and a layer. */
export interface Cell {
  column: number;
  layer: number;
}

export class HeatMap {
  private readonly context: CanvasRenderingContext2D;
  private shades: Uint8ClampedArray[] = [];
  private layers = 0;
  /** Columns that are drawn. */
  private drawn = 0;
  /** The token of the last column. */
  private last: Seen | undefined;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d")!;
    canvas.width = REMEMBERED;
  }

  /** Draws the tokens that are not drawn yet. */
  draw(seen: Seen[]): void {
    if (this.shades.length === 0) this.shades = shades(this.canvas);
    const layers = seen.at(-1)?.step.density.length ?? 0;
    if (layers === 0) return;
    if (layers !== this.layers) {
      // Which clears it, too.
      this.canvas.height = this.layers = layers;
      this.drawn = 0;
      this.last = undefined;
    }
    const fresh = seen.slice(this.last ? seen.lastIndexOf(this.last) + 1 : 0).slice(-REMEMBERED);
    if (fresh.length === 0) return;
    const over = Math.max(this.drawn + fresh.length - REMEMBERED, 0);
    if (over > 0) this.context.drawImage(this.canvas, -over, 0);
    const first = this.drawn - over;
    const image = this.context.createImageData(fresh.length, layers);
    for (const [column, { step }] of fresh.entries())
      for (const [layer, density] of step.density.entries()) {
        const shade = Math.min(Math.floor((density / MOST) * SHADES), SHADES - 1);
        image.data.set(this.shades[shade]!, (layer * fresh.length + column) * 4);
      }
    this.context.putImageData(image, first, 0);
    this.drawn = first + fresh.length;
    this.last = fresh.at(-1);
  }

  /** Columns that are drawn: the newest tokens. */
  get columns(): number {
    return this.drawn;
  }

  /** Which column and which layer a point of the page lies on. */
  at({ clientX, clientY }: MouseEvent): Cell | undefined {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const column = Math.floor(((clientX - left) / width) * REMEMBERED);
    const layer = Math.floor(((clientY - top) / height) * this.layers);
    if (column < 0 || column >= this.drawn || layer < 0 || layer >= this.layers) return undefined;
    return { column, layer };
  }

  /** Draws nothing any more of what was seen; what is drawn next has the page's colours as they are then. */
  clear(): void {
    this.shades = [];
    this.drawn = this.layers = 0;
    this.last = undefined;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}

/** The colours from none to the most, between those that the canvas has of the page's style. */
function shades(canvas: HTMLCanvasElement): Uint8ClampedArray[] {
  const { backgroundColor, color } = getComputedStyle(canvas);
  const [from, to] = [channels(backgroundColor), channels(color)];
  return Array.from({ length: SHADES }, (_, shade) => {
    const share = shade / (SHADES - 1);
    const mixed = from.map((value, channel) => value + (to[channel]! - value) * share);
    return new Uint8ClampedArray([...mixed, 255]);
  });
}

/** Of a colour as browsers write it: rgb(1, 2, 3). */
function channels(colour: string): number[] {
  return (colour.match(/\d+/g) ?? []).map(Number);
}
