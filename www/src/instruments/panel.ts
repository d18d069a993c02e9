// The window into the model: what each token took, drawn while it is written. Nothing is asked of the model, and nothing drawn,
// while nobody can see it.
import type { Plume, Stats, StepOptions, StepStats, TokenLogprob } from "plume-lm";
import type { Listener } from "../chat.js";
import { element, make, setText } from "../dom.js";
import { bytes, mean, percent, speed } from "../units.js";
import { Candidates, instrument, Sparkline, Split, visible, type Candidate } from "./gauges.js";
import { HeatMap, type Cell } from "./heat-map.js";
import { Recorder } from "./recorder.js";

/** Milliseconds between two drawings: more often numbers could not be read, and drawing takes time from the model. */
const INTERVAL = 250;
/** The least milliseconds between two tokens that are told: of more than 500 a second nobody could see each. */
const TOLD = 2;
/** The least milliseconds between two tokens whose rivals are told: nobody could read more, and each takes some of the model's time. */
const RIVALS_INTERVAL = 50;
/** The chosen token and its rivals. */
const CANDIDATES = 6;
const LEGEND = "The newest token is on the right.";

export class Instruments implements Listener {
  private readonly place = element("instruments");
  private readonly recorder = new Recorder();
  /** Which steps the reply under way tells: none while nobody can see them. */
  private readonly steps: StepOptions = { top_logprobs: CANDIDATES, logprobs_interval: RIVALS_INTERVAL };
  private stats: Stats | undefined;
  /** Whether a reply is under way. */
  private isWriting = false;
  private isDrawing = false;
  private lastDrawn = 0;
  private pointed: Cell | undefined;

  private readonly rate = make("strong", { className: "number" }, "–");
  private readonly first = make("span", {}, "");
  private readonly sparkline = new Sparkline(60);
  private readonly heatMap: HeatMap;
  private readonly density = make("strong", { className: "number" }, "–");
  private readonly under = make("p", { className: "under" }, LEGEND);
  private readonly weights = new Split();
  private readonly cache = new Split();
  private readonly candidates = new Candidates(CANDIDATES);
  private readonly token = make("code", { className: "number" }, "–");
  private readonly device = make("ul", { className: "device" });

  constructor() {
    const canvas = make("canvas", { tabIndex: 0, attributes: { role: "img" } });
    this.heatMap = new HeatMap(canvas);
    this.place.append(
      make("h2", { className: "unseen" }, "Instruments"),
      instrument(
        "Speed",
        "How many tokens the model writes in a second now, and how long the first one took.",
        make("p", { className: "row" }, this.rate, make("span", {}, "tokens/s"), this.first),
        this.sparkline.place,
      ),
      instrument(
        "Neurons",
        "Each column is a token, at most 500 a second, each row a layer, the first on top: the stronger the colour, the more neurons were not zero.",
        make("p", { className: "row" }, this.density, make("span", {}, "of neurons active")),
        canvas,
        this.under,
      ),
      instrument(
        "Weights of this token",
        "Rows of the down projections that belong to silent neurons are not even read.",
        this.weights.place,
      ),
      instrument(
        "Cache",
        "What the conversation takes as latents, against keys and values of every head as other runtimes keep them.",
        this.cache.place,
      ),
      instrument(
        "This token and its rivals",
        "How likely the model found the token that came, and those that might have come, of at most 20 tokens a second.",
        make("p", { className: "row" }, this.token),
        this.candidates.place,
      ),
      instrument("Device", "What the model runs on, and what it offers.", this.device),
    );
    canvas.addEventListener("mousemove", (event) => this.point(this.heatMap.at(event)));
    canvas.addEventListener("mouseleave", () => this.point(undefined));
    canvas.addEventListener("keydown", (event) => this.pointByKey(event));
    canvas.addEventListener("blur", () => this.point(undefined));
    document.addEventListener("visibilitychange", () => this.changed());
    for (const [target, event] of [
      [window, "themechange"],
      [matchMedia("(prefers-color-scheme: dark)"), "change"],
    ] as const)
      target.addEventListener(event, () => {
        this.heatMap.clear();
        this.request();
      });
    this.clear();
    this.changed();
  }

  /** Shows them, or hides them. */
  toggle(isShown: boolean): void {
    this.place.hidden = !isShown;
    this.changed();
  }

  /** Whether anybody can see them. */
  get isVisible(): boolean {
    return !this.place.hidden && !document.hidden;
  }

  /** Shows a model that was loaded. */
  async showModel(lm: Plume): Promise<void> {
    // What is known of another model's tokens says nothing of this one's.
    this.clear();
    this.stats = await lm.stats().catch(() => undefined);
    if (!this.stats) return;
    const { adapter, adapter_features, context_length, weight_bytes, gpu_unavailable } = this.stats;
    const facts = [
      adapter,
      `${bytes(weight_bytes)} of weights, a context of ${context_length.toLocaleString("en")} tokens`,
      ...(adapter_features ? [`offers ${adapter_features.join(", ") || "no optional features"}`] : []),
      ...(gpu_unavailable ? [`no GPU: ${gpu_unavailable}`] : []),
      `${navigator.hardwareConcurrency} processors, ${crossOriginIsolated ? "threads allowed" : "no threads: the page is not isolated"}`,
    ];
    this.device.replaceChildren(...facts.map((fact) => make("li", {}, fact)));
    this.request();
  }

  begin(): StepOptions {
    this.isWriting = true;
    // Nobody is told: what is there belongs to an older reply.
    if (!this.isVisible) this.clear();
    // The first drawing has something to show.
    this.lastDrawn = performance.now();
    this.recorder.begin(this.lastDrawn);
    return this.steps;
  }

  step(step: StepStats): void {
    this.recorder.step(step, performance.now());
    this.request();
  }

  end(stats: Stats | undefined): void {
    this.isWriting = false;
    if (stats) this.stats = stats;
    // A short reply is over before anything of it is drawn.
    if (stats?.tokens_per_second !== undefined) this.sparkline.push(stats.tokens_per_second);
    this.request();
    this.describe();
  }

  /** Draws soon, where that can be seen. */
  request(): void {
    if (this.isDrawing || !this.isVisible) return;
    this.isDrawing = true;
    const wait = Math.max(this.lastDrawn + INTERVAL - performance.now(), 0);
    setTimeout(() => {
      requestAnimationFrame(() => {
        this.isDrawing = false;
        this.draw();
      });
    }, wait);
  }

  private draw(): void {
    if (!this.isVisible) return;
    this.lastDrawn = performance.now();
    const rate = this.isWriting ? this.recorder.speed() : this.stats?.tokens_per_second;
    if (rate !== undefined) {
      setText(this.rate, speed(rate));
      if (this.isWriting) this.sparkline.push(rate);
    }
    const first = this.isWriting ? this.recorder.first : this.stats?.time_to_first_token_ms;
    setText(this.first, first === undefined ? "" : `first after ${first.toFixed(0)} ms`);
    this.heatMap.draw(this.recorder.seen);
    this.showPointed();
  }

  /** Shows the token that is pointed at, or else the newest. */
  private showPointed(): void {
    const { seen } = this.recorder;
    const { columns } = this.heatMap;
    const shown = seen[seen.length - columns + Math.min(this.pointed?.column ?? columns, columns - 1)];
    if (!shown) return;
    this.showStep(shown.step);
    // Of the newest whose rivals are known, or of the one that is pointed at, if they are.
    const rivals = this.pointed ? shown : seen.findLast(({ step }) => step.logprobs);
    setText(this.token, visible((rivals ?? shown).step.token));
    this.candidates.show(rivals?.step.logprobs ? candidates(rivals.step.logprobs) : []);
  }

  /** Shows what a token took. */
  private showStep({ token, density, skipped_bytes, cache_bytes, expanded_cache_bytes }: StepStats): void {
    const layer = this.pointed?.layer;
    setText(this.density, percent(mean(density)));
    const which = () => `Layer ${layer! + 1}: ${percent(density[layer!] ?? 0)}, at ${visible(token)}`;
    setText(this.under, layer === undefined ? LEGEND : which());
    const all = this.stats?.weight_bytes ?? 0;
    if (all > 0) {
      const read = all - skipped_bytes;
      this.weights.show(read / all, `${bytes(read)} read`, `${bytes(skipped_bytes)} skipped`);
    }
    const times = (expanded_cache_bytes / cache_bytes).toFixed(1);
    const expanded = `${bytes(expanded_cache_bytes)} expanded, ${times} ×`;
    this.cache.show(cache_bytes / expanded_cache_bytes, bytes(cache_bytes), expanded);
  }

  /** Says in words what the map shows, once it stands still. */
  private describe(): void {
    const { seen } = this.recorder;
    const density = seen.flatMap(({ step }) => step.density);
    this.heatMap.canvas.ariaLabel =
      seen.length === 0
        ? "A heat map of active neurons, empty before the first reply"
        : `A heat map of active neurons in ${seen[0]!.step.density.length} layers over ${seen.length} tokens, ${percent(mean(density))} on average. Arrow keys go through it.`;
  }

  /** What can be seen is told from now on, and what cannot is not. */
  private changed(): void {
    this.steps.interval = this.isVisible ? TOLD : Infinity;
    this.request();
  }

  /** Shows nothing any more. */
  private clear(): void {
    this.recorder.clear();
    this.heatMap.clear();
    this.pointed = undefined;
    for (const place of [this.rate, this.density, this.token]) setText(place, "–");
    setText(this.first, "");
    setText(this.under, LEGEND);
    this.weights.show(0, "–", "");
    this.cache.show(0, "–", "");
    this.candidates.show([]);
    this.describe();
  }

  private point(at: Cell | undefined): void {
    if (!at && !this.pointed) return;
    this.pointed = at;
    this.showPointed();
  }

  private pointByKey(event: KeyboardEvent): void {
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const move = moves[event.key];
    const { seen } = this.recorder;
    const layers = seen.at(-1)?.step.density.length ?? 0;
    if (!move || layers === 0 || this.heatMap.columns === 0) return;
    event.preventDefault();
    const last = this.heatMap.columns - 1;
    const { column, layer } = this.pointed ?? { column: last, layer: 0 };
    const clamp = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    this.point({ column: clamp(column + move[0], last), layer: clamp(layer + move[1], layers - 1) });
  }
}

/** The token that came and its rivals, the likeliest first. */
function candidates({ token, logprob, top_logprobs }: TokenLogprob): Candidate[] {
  const rivals = top_logprobs.filter((rival) => rival.token !== token);
  return [{ token, logprob }, ...rivals.slice(0, CANDIDATES - 1)]
    .map((one) => ({ text: one.token, probability: Math.exp(one.logprob), isChosen: one.token === token }))
    .sort((a, b) => b.probability - a.probability);
}
