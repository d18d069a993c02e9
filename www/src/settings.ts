// What a visitor has chosen: how tokens are drawn, and how the page looks.
import { read, write } from "./kept.js";
import { isRecord } from "./shape.js";

/** Requests' own names. Empty fields are left to the runtime. */
export interface Sampling {
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  repetition_penalty: number;
  max_tokens: number | undefined;
  seed: number | undefined;
}

/** A number that can be chosen. */
export interface Field {
  name: keyof Sampling;
  label: string;
  hint: string;
  least: number;
  most: number;
  step: number;
  /** Whether it may be left empty. */
  optional?: boolean;
}

export const FIELDS: Field[] = [
  {
    name: "temperature",
    label: "Temperature",
    hint: "0 always takes the likeliest token; more lets others come",
    least: 0,
    most: 2,
    step: 0.05,
  },
  {
    name: "top_p",
    label: "Top p",
    hint: "the likeliest tokens that are so likely together",
    least: 0.05,
    most: 1,
    step: 0.01,
  },
  { name: "top_k", label: "Top k", hint: "so many of the likeliest tokens; 0 for all", least: 0, most: 1000, step: 1 },
  {
    name: "min_p",
    label: "Min p",
    hint: "no token that is less likely than this share of the likeliest",
    least: 0,
    most: 1,
    step: 0.01,
  },
  {
    name: "repetition_penalty",
    label: "Repetition penalty",
    hint: "above 1, tokens that have been are less likely to come again",
    least: 1,
    most: 2,
    step: 0.05,
  },
  {
    name: "max_tokens",
    label: "Longest reply, tokens",
    hint: "empty: as long as the context allows",
    least: 1,
    most: 100_000,
    step: 1,
    optional: true,
  },
  {
    name: "seed",
    label: "Seed",
    hint: "the same seed and question give the same reply; empty: chance decides",
    least: 0,
    most: 2 ** 31 - 1,
    step: 1,
    optional: true,
  },
];

/** All but what has nothing to do with how freely tokens are drawn. */
type Preset = Omit<Sampling, "max_tokens" | "seed">;

const BALANCED: Preset = { temperature: 0.6, top_p: 1, top_k: 0, min_p: 0, repetition_penalty: 1 };

export const PRESETS: Record<string, Preset> = {
  Precise: { ...BALANCED, temperature: 0 },
  Balanced: BALANCED,
  Lively: { ...BALANCED, temperature: 1, top_p: 0.95, min_p: 0.02 },
};

export const THEMES = ["system", "light", "dark"] as const;

export interface Settings {
  sampling: Sampling;
  theme: (typeof THEMES)[number];
  /** Whether instruments are shown; without a choice, where there is room beside the chat. */
  instruments: boolean | undefined;
}

/** What was chosen at another visit, as far as it still makes sense. */
export function keptSettings(): Settings {
  const found = read("settings");
  const { sampling, theme, instruments } = isRecord(found) ? found : {};
  const settings: Settings = {
    sampling: { ...BALANCED, max_tokens: undefined, seed: undefined },
    theme: THEMES.find((name) => name === theme) ?? "system",
    instruments: typeof instruments === "boolean" ? instruments : undefined,
  };
  for (const field of FIELDS) {
    const value = isRecord(sampling) ? sampling[field.name] : undefined;
    if (typeof value === "number" && fits(field, value)) settings.sampling[field.name] = value;
  }
  return settings;
}

export function keepSettings(settings: Settings): void {
  write("settings", settings);
}

/** Whether a field may have a value. */
export function fits({ least, most, step }: Field, value: number): boolean {
  return value >= least && value <= most && (step < 1 || Number.isInteger(value));
}

/** The preset that has these values, if there is one. */
export function presetOf(sampling: Sampling): string | undefined {
  const values = (preset: Preset) => Object.entries(preset) as [keyof Preset, number][];
  const isLike = (name: string) => values(PRESETS[name]!).every(([field, value]) => sampling[field] === value);
  return Object.keys(PRESETS).find(isLike);
}
