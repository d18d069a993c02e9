// The dialog in which a visitor chooses how tokens are drawn, what the model is told first, and how the page looks.
import type { Conversations } from "./conversations.js";
import { element, make } from "./dom.js";
import { FIELDS, fits, keepSettings, PRESETS, presetOf, THEMES, type Field, type Settings } from "./settings.js";

const dialog = element<HTMLDialogElement>("settings");

/** Fills the dialog, and keeps what is chosen in it. */
export function settingsDialog(settings: Settings, conversations: Conversations): void {
  const preset = make("select", { id: "preset" });
  for (const name of [...Object.keys(PRESETS), "Custom"]) preset.append(make("option", { value: name }, name));
  const inputs = FIELDS.map((field) => ({ field, input: numberInput(field) }));

  const showValues = () => {
    preset.value = presetOf(settings.sampling) ?? "Custom";
    for (const { field, input } of inputs) input.value = String(settings.sampling[field.name] ?? "");
  };
  preset.addEventListener("change", () => {
    Object.assign(settings.sampling, PRESETS[preset.value]);
    keepSettings(settings);
    showValues();
  });
  for (const { field, input } of inputs)
    input.addEventListener("input", () => {
      const value = input.valueAsNumber;
      // What is not a number that makes sense is not taken; the browser marks it.
      if (input.value === "" && field.optional) Object.assign(settings.sampling, { [field.name]: undefined });
      else if (fits(field, value)) settings.sampling[field.name] = value;
      else return;
      preset.value = presetOf(settings.sampling) ?? "Custom";
      keepSettings(settings);
    });

  const system = make("textarea", { id: "system", rows: 3, placeholder: "Such as: You answer in one sentence." });
  system.addEventListener("input", () => (conversations.current.system = system.value));
  system.addEventListener("change", () => conversations.save(conversations.current));

  const theme = make("select", { id: "theme" });
  for (const name of THEMES) theme.append(make("option", { value: name }, name));
  theme.value = settings.theme;
  showTheme(settings);
  theme.addEventListener("change", () => {
    settings.theme = THEMES.find((name) => name === theme.value) ?? "system";
    keepSettings(settings);
    showTheme(settings);
  });

  element("settings-fields").append(
    labelled("System prompt of this conversation", system, "what the model is told ahead of all else"),
    labelled("Preset", preset, "how freely the next token is drawn"),
    ...inputs.map(({ field, input }) => labelled(field.label, input, field.hint)),
    labelled("Appearance", theme, "as the system has it, or not"),
  );
  element("open-settings").addEventListener("click", () => {
    system.value = conversations.current.system;
    showValues();
    dialog.showModal();
  });
}

function numberInput({ name, least, most, step, optional }: Field): HTMLInputElement {
  const range = { min: String(least), max: String(most), step: String(step) };
  return make("input", { id: name, type: "number", inputMode: "decimal", required: !optional, ...range });
}

function labelled(text: string, input: HTMLElement, hint: string): HTMLElement {
  const explanation = make("small", { id: `${input.id}-hint` }, hint);
  input.setAttribute("aria-describedby", explanation.id);
  return make("div", {}, make("label", { htmlFor: input.id }, text), input, explanation);
}

function showTheme({ theme }: Settings): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  dispatchEvent(new Event("themechange"));
}
