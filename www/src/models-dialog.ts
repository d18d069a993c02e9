// The dialog in which a visitor chooses a model, and sees which are kept on the device.
import { Plume, type CachedFile, type ModelSource } from "plume-lm";
import { CATALOGUE, EMBEDDED, memoryOf, type CatalogueModel } from "./catalogue.js";
import { button, element, make, show } from "./dom.js";
import { fileName, keptModels, type KeptModel } from "./kept-models.js";
import type { Model } from "./model.js";
import { bytes } from "./units.js";

const dialog = element<HTMLDialogElement>("models");
const url = element<HTMLInputElement>("url");
const file = element<HTMLInputElement>("file");
const kept = element("kept");

/** `hub` is where models come from by name. */
export function modelsDialog(model: Model, hub: string): void {
  const open = (source: ModelSource, name: string) => {
    dialog.close();
    void model.open(source, name);
  };

  element("open-models").addEventListener("click", () => {
    dialog.showModal();
    void showKept(open, hub);
  });
  element<HTMLFormElement>("load-url").addEventListener("submit", (event) => {
    event.preventDefault();
    const source = url.value.trim();
    open(source, fileName(source));
  });
  file.addEventListener("change", () => {
    const files = [...(file.files ?? [])];
    file.value = "";
    if (files.length > 0) open(...ofFiles(files));
  });
  element("catalogue").replaceChildren(...CATALOGUE.map((entry) => card(entry, hub, open)));
  dropTarget(open);
}

type Open = (source: ModelSource, name: string) => void;

/** A model, with all that there is to know before it is downloaded. */
function card(entry: CatalogueModel, hub: string, open: Open): HTMLElement {
  const { name, source, about, size, licence, repository } = entry;
  const facts: [string, string | Node][] = [
    ["Size", repository ? `${bytes(size)} to download, once` : bytes(size)],
    ["Memory", `about ${bytes(memoryOf(entry))}`],
    ["Licence", licence],
  ];
  if (repository) {
    const link = { href: `${hub}/${repository}`, target: "_blank", rel: "noopener noreferrer" };
    facts.push(["From", make("a", link, URL.canParse(hub) ? new URL(hub).host : hub)]);
  }
  const list = make("dl", {});
  for (const [term, fact] of facts) list.append(make("dt", {}, term), make("dd", {}, fact));
  const start = () => {
    // So that the browser does not throw away what took long to come.
    if (repository) void navigator.storage?.persist?.().catch(() => false);
    open(source, name);
  };
  const verb = repository ? "Download" : "Load";
  const load = button(verb, start, { attributes: { "aria-label": `${verb} ${name}` } });
  const room = make("p", { className: "warning", hidden: true });
  return make("article", { className: "card" }, make("h3", {}, name), make("p", {}, about), list, room, load);
}

/** Says so where the browser will not have room for a model, of which some may be kept already. */
async function warnOfRoom(files: CachedFile[], hub: string): Promise<void> {
  const { quota, usage } = (await navigator.storage?.estimate?.().catch(() => undefined)) ?? {};
  if (quota === undefined || usage === undefined) return;
  const room = Math.max(quota - usage, 0);
  for (const [index, { size, repository, file }] of CATALOGUE.entries()) {
    if (!repository || !file) continue;
    const own = files.filter(({ url }) => url.startsWith(`${hub}/${repository}/`) && url.endsWith(file));
    const missing = size - own.reduce((sum, { stored }) => sum + stored, 0);
    const place = element("catalogue").querySelectorAll<HTMLElement>(".warning")[index]!;
    const warning = `The browser has room for ${bytes(room)} here: the model can be used, but is downloaded again at each visit.`;
    show(place, missing > room ? warning : undefined);
  }
}

/** Lists what is kept. */
async function showKept(open: Open, hub: string): Promise<void> {
  const total = element("kept-total");
  let files: CachedFile[];
  try {
    files = await Plume.cache.list();
  } catch (error) {
    kept.replaceChildren();
    return show(total, `What is kept cannot be read: ${(error as Error).message}.`);
  }
  void warnOfRoom(files, hub);
  const models = keptModels(files);
  const stored = files.reduce((sum, file) => sum + file.stored, 0);
  const again = () => showKept(open, hub);
  kept.replaceChildren(...models.map((one) => keptRow(one, open, again)));
  show(total, models.length === 0 ? "Nothing." : `${bytes(stored)} together. ${await durability()}`);
}

function keptRow(one: KeptModel, open: Open, again: () => Promise<void>): HTMLElement {
  const { name, size, stored, source } = one;
  const shownName = source === String(EMBEDDED.source) ? EMBEDDED.name : name;
  const isWhole = stored === size;
  const forget = async () => {
    try {
      for (const file of one.files) await Plume.cache.delete(file.url);
      await again();
    } catch (error) {
      show(element("kept-total"), `${name} could not be deleted: ${(error as Error).message}.`);
    }
    // The button is gone with its row.
    (kept.querySelector<HTMLElement>("button") ?? url).focus();
  };
  return make(
    "li",
    {},
    make("span", { title: source }, shownName),
    make("span", { className: "faint" }, isWhole ? bytes(size) : `${bytes(stored)} of ${bytes(size)}`),
    button(isWhole ? "Load" : "Go on", () => open(source, shownName), {
      attributes: { "aria-label": `${isWhole ? "Load" : "Go on with"} ${name}` },
    }),
    button("Delete", () => void forget(), { attributes: { "aria-label": `Delete ${name}` } }),
  );
}

/** Whether the browser may throw away what is kept when its disk is full. */
async function durability(): Promise<string> {
  const persisted = await navigator.storage?.persisted?.().catch(() => undefined);
  if (persisted === undefined) return "";
  return persisted ? "The browser keeps it." : "The browser may delete it when the disk is full.";
}

/** What files are as a model, and what to call it. */
function ofFiles(files: File[]): [ModelSource, string] {
  const [first] = files;
  if (files.length === 1) return [first!, first!.name];
  const weights = files.find(({ name }) => /\.(gguf|safetensors)$/.test(name)) ?? first!;
  return [files, `${weights.name} and ${files.length - 1} more`];
}

/** Takes models that are dropped anywhere on the page. */
function dropTarget(open: Open): void {
  const hint = element("drop-hint");
  const hasFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) hint.hidden = true;
  });
  addEventListener("drop", (event) => {
    hint.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) open(...ofFiles(files));
  });
}
