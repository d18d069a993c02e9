// The page: puts its parts together. Each part says at its head what it is.
import type { LoadOptions } from "plume-lm";
import { benchmarkView } from "./benchmark/view.js";
import { EMBEDDED, HUB } from "./catalogue.js";
import { Chat } from "./chat.js";
import { conversationList } from "./conversation-list.js";
import { Conversations } from "./conversations.js";
import { button, element, setText, show } from "./dom.js";
import { Instruments } from "./instruments/panel.js";
import { loadingBar } from "./loading-bar.js";
import { Model } from "./model.js";
import { modelsDialog } from "./models-dialog.js";
import { notice } from "./notices.js";
import { startServiceWorker } from "./offline.js";
import { whyNotKept } from "./kept.js";
import { keepSettings, keptSettings } from "./settings.js";
import { settingsDialog } from "./settings-dialog.js";

const SUGGESTIONS = [
  "Tell me a story about a brave fox named Pip.",
  "What is the capital of Japan?",
  "What is 5 plus 9?",
  "Name three fruits.",
];

const settings = keptSettings();
const conversations = new Conversations();
const chosen = choices();
const model = new Model(chosen);
const instruments = new Instruments();
const chat = new Chat(model, conversations, settings, instruments);
const list = conversationList(conversations);
const loading = loadingBar(model);
const benchmark = benchmarkView(model, chat);

settingsDialog(settings, conversations);
modelsDialog(model, chosen.hub ?? HUB);

conversations.onChange = () => {
  chat.show();
  list.show();
  benchmark.show();
  notice("kept", whyNotKept());
};
model.onChange = () => {
  setText(element("model-name"), model.name || "no model");
  loading.show();
  benchmark.show();
};
model.onError = (message) => show(element("load-error"), message);
model.onLoaded = () => void showDevice();

/** What the page's address chooses: ?device=cpu, or ?hub=https://… for a mirror of the hub. */
function choices(): LoadOptions {
  const query = new URLSearchParams(location.search);
  const [device, hub] = [query.get("device"), query.get("hub")];
  return { ...(device && { device: device as "auto" }), ...(hub && { hub }) };
}

/** Says what the model runs on, where that is not what it could be. */
async function showDevice(): Promise<void> {
  const lm = model.lm!;
  await instruments.showModel(lm);
  // Another model may have taken its place.
  const { gpu_unavailable } = (await lm.stats().catch(() => undefined)) ?? {};
  const why = gpu_unavailable && `The model runs on the CPU, without a GPU's speed: ${gpu_unavailable}.`;
  notice("device", why || undefined, { once: true });
}

for (const text of SUGGESTIONS) element("suggestions").append(button(text, () => chat.send(text)));

/** Shows the part of the page that its address names. */
function showPart(): void {
  const isBenchmark = location.hash === "#benchmark";
  element("chat-view").hidden = element("composer").hidden = isBenchmark;
  element("benchmark-view").hidden = !isBenchmark;
  for (const link of document.querySelectorAll<HTMLAnchorElement>("nav a"))
    if ((link.hash === "#benchmark") === isBenchmark) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  benchmark.show();
}
addEventListener("hashchange", showPart);
showPart();

const toggle = element("toggle-instruments");
const panel = element("instruments");
function showInstruments(isShown: boolean): void {
  instruments.toggle(isShown);
  toggle.setAttribute("aria-expanded", String(isShown));
}
toggle.addEventListener("click", () => {
  const isShown = panel.hidden !== false;
  settings.instruments = isShown;
  keepSettings(settings);
  showInstruments(isShown);
});
showInstruments(settings.instruments ?? matchMedia("(min-width: 900px)").matches);

chat.show();
if (matchMedia("(hover: hover)").matches) element("prompt").focus();

/** Whether nothing is lost where the page begins again. */
function isUntouched(): boolean {
  const { value } = element<HTMLTextAreaElement>("prompt");
  return !model.load && !model.lm && !value && !document.querySelector(".message, dialog[open]");
}

await startServiceWorker(isUntouched);
// A visitor may have been faster.
if (!model.load && !model.lm) await model.open(EMBEDDED.source, EMBEDDED.name);
