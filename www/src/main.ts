// The page: loads a model, holds one conversation, shows what the runtime measures.
import { Plume, PlumeError, type ModelSource, type Progress, type PromptProgress } from "./plume-lm/dist/index.js";

/** What was said, by whom. */
interface Said {
  role: "user" | "assistant";
  content: string;
}

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found as T;
}

const page = {
  modelName: element("model-name"),
  options: element<HTMLDetailsElement>("options"),
  loadUrl: element<HTMLFormElement>("load-url"),
  url: element<HTMLInputElement>("url"),
  file: element<HTMLInputElement>("file"),
  embedded: element<HTMLButtonElement>("embedded"),
  temperature: element<HTMLInputElement>("temperature"),
  newChat: element<HTMLButtonElement>("new-chat"),
  notice: element("notice"),
  chat: element("chat"),
  welcome: element("welcome"),
  suggestions: element("suggestions"),
  loading: element("loading"),
  progress: element<HTMLProgressElement>("progress"),
  progressText: element("progress-text"),
  cancelLoad: element<HTMLButtonElement>("cancel-load"),
  error: element("error"),
  composer: element<HTMLFormElement>("composer"),
  prompt: element<HTMLTextAreaElement>("prompt"),
  send: element<HTMLButtonElement>("send"),
  stop: element<HTMLButtonElement>("stop"),
  adapter: element("adapter"),
  reading: element("reading"),
  speed: element("speed"),
  density: element("density"),
  cache: element("cache"),
};

const SUGGESTIONS = [
  "Tell me a story about a brave fox named Pip.",
  "What is the capital of Japan?",
  "What is 5 plus 9?",
  "Name three fruits.",
];

let lm: Plume | undefined;
let messages: Said[] = [];
let load: AbortController | undefined;
let reply: AbortController | undefined;

/** Shows which of the page's controls make sense now. */
function showState(): void {
  page.send.disabled = !lm || reply !== undefined;
  page.send.hidden = reply !== undefined;
  page.stop.hidden = reply === undefined;
  page.newChat.disabled = messages.length === 0;
  page.loading.hidden = load === undefined;
  page.welcome.hidden = messages.length > 0;
  for (const button of page.suggestions.querySelectorAll("button")) button.disabled = page.send.disabled;
}

function showError(error: unknown): void {
  page.error.hidden = error === undefined;
  page.error.textContent = error instanceof Error ? error.message : String(error ?? "");
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Seconds as people say them. */
function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function showProgress(progress: Progress): void {
  const { loaded, total } = progress;
  if (total > 0) {
    page.progress.max = total;
    page.progress.value = loaded;
  }
  page.progressText.textContent = describe(progress);
}

function describe({ phase, loaded, total, rate, seconds_left, retrying }: Progress): string {
  if (phase === "ready") return "Ready";
  if (retrying) return `Nothing comes; it is tried again. ${retrying}`;
  const what = phase === "download" ? "Downloading" : "Loading weights";
  const speed = rate ? `, ${megabytes(rate)}/s` : "";
  const left = seconds_left !== undefined ? `, ${duration(seconds_left)} left` : "";
  return `${what}: ${megabytes(loaded)} of ${megabytes(total)}${speed}${left}`;
}

/** Tells how far a prompt is read, where that takes long enough to be told. */
function showReading({ processed, total, cached }: PromptProgress): void {
  const long = total - cached > 256 && processed < total;
  page.reading.textContent = long
    ? `Reading the prompt: ${processed.toLocaleString("en")} of ${total.toLocaleString("en")} tokens`
    : "";
  page.speed.hidden = long;
}

/** Loads a model. The one in use stays until the new one is ready, so that a failure loses nothing. */
async function loadModel(model: ModelSource | undefined, name: string): Promise<void> {
  load?.abort();
  const mine = new AbortController();
  load = mine;
  page.options.open = false;
  page.progress.removeAttribute("value");
  page.progressText.textContent = `Opening ${name}`;
  showError(undefined);
  showState();
  try {
    const device = new URLSearchParams(location.search).get("device") ?? "auto";
    const loaded = await Plume.load(model, {
      onProgress: showProgress,
      signal: mine.signal,
      device: device as "auto" | "gpu" | "cpu", // Checked by the runtime.
    });
    reply?.abort();
    lm?.dispose();
    lm = loaded;
    page.modelName.textContent = name;
    newChat();
    await showStats();
  } catch (error) {
    if (!(error instanceof PlumeError && error.code === "aborted")) {
      const kept = lm ? ` ${page.modelName.textContent} is still loaded.` : "";
      showError(`${name} could not be loaded. ${(error as Error).message}.${kept}`);
    }
  } finally {
    if (load === mine) load = undefined;
    showState();
  }
}

/** Loads the same model again after its device was lost or it crashed; the conversation stays as it is. */
async function recover(error: PlumeError): Promise<void> {
  if (!lm) return;
  load?.abort();
  const mine = new AbortController();
  load = mine;
  showState();
  try {
    await lm.reload({ onProgress: showProgress, signal: mine.signal });
    showError(`${error.message}. The model was loaded again: you can go on.`);
  } catch (failure) {
    if (!(failure instanceof PlumeError && failure.code === "aborted")) showError(failure);
  } finally {
    if (load === mine) load = undefined;
    showState();
  }
}

/** The last part of a URL, readable where it can be read. */
function fileName(url: string): string {
  const name = url.replace(/\/$/, "").split("/").pop() ?? url;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

async function showStats(): Promise<void> {
  if (!lm) return;
  const stats = await lm.stats();
  page.adapter.textContent = stats.adapter;
  page.notice.hidden = stats.gpu_unavailable === undefined;
  page.notice.textContent = `The model runs on the CPU, without a GPU's speed: ${stats.gpu_unavailable ?? ""}.`;
  const { tokens_per_second: speed, time_to_first_token_ms: first } = stats;
  page.speed.textContent =
    speed === undefined ? "" : `${speed.toFixed(1)} tokens/s, first after ${first?.toFixed(0)} ms`;
  const mean = stats.density.reduce((sum, share) => sum + share, 0) / stats.density.length;
  page.density.textContent = Number.isFinite(mean) && mean > 0 ? `${(mean * 100).toFixed(0)} % of neurons active` : "";
  page.cache.textContent = stats.cache_bytes > 0 ? `${(stats.cache_bytes / 1e3).toFixed(0)} kB of cache` : "";
}

function newChat(): void {
  reply?.abort();
  messages = [];
  for (const message of page.chat.querySelectorAll(".message")) message.remove();
  showError(undefined);
  showState();
  page.prompt.focus();
}

function addMessage({ role, content }: Said): HTMLElement {
  const message = document.createElement("p");
  message.className = `message ${role}`;
  message.textContent = content;
  page.chat.append(message);
  return message;
}

/** Asks the model, and writes its reply as it comes. A stopped reply is kept as far as it got. */
async function ask(content: string): Promise<void> {
  if (!lm || reply) return;
  const conversation = messages;
  const mine = new AbortController();
  reply = mine;
  conversation.push({ role: "user", content });
  addMessage({ role: "user", content });
  const answer: Said = { role: "assistant", content: "" };
  const shown = addMessage(answer);
  shown.classList.add("writing");
  showError(undefined);
  showState();
  const show = () => {
    const atEnd = page.chat.scrollHeight - page.chat.scrollTop - page.chat.clientHeight < 80;
    shown.textContent = answer.content;
    if (atEnd) page.chat.scrollTop = page.chat.scrollHeight;
  };
  page.chat.scrollTop = page.chat.scrollHeight;
  let broken: PlumeError | undefined;
  try {
    const temperature = page.temperature.valueAsNumber;
    const parts = await lm.chat.completions.create(
      { messages: conversation, stream: true, temperature: Number.isNaN(temperature) ? 0 : temperature },
      { signal: mine.signal, onPromptProgress: showReading },
    );
    let drawn = false;
    for await (const part of parts) {
      answer.content += part.choices[0]?.delta.content ?? "";
      // Tokens may come faster than the screen is drawn.
      if (drawn) continue;
      drawn = true;
      requestAnimationFrame(() => {
        drawn = false;
        show();
      });
    }
  } catch (error) {
    if (!(error instanceof PlumeError && error.code === "aborted")) showError(error);
    if (error instanceof PlumeError && (error.code === "device_lost" || error.code === "crashed")) broken = error;
  } finally {
    show();
    shown.classList.remove("writing");
    showReading({ processed: 0, total: 0, cached: 0 });
    if (answer.content) conversation.push(answer);
    else {
      // Nothing came: the question goes back to where it can be sent again.
      conversation.pop();
      shown.previousElementSibling?.remove();
      shown.remove();
      if (conversation === messages && !page.prompt.value) page.prompt.value = content;
    }
    if (reply === mine) reply = undefined;
    showState();
  }
  if (broken) await recover(broken);
  await showStats().catch(showError);
}

page.composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const content = page.prompt.value.trim();
  if (!content || page.send.disabled) return;
  page.prompt.value = "";
  void ask(content);
});
page.prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  page.composer.requestSubmit();
});
page.stop.addEventListener("click", () => reply?.abort());
page.newChat.addEventListener("click", newChat);
page.cancelLoad.addEventListener("click", () => load?.abort());
page.loadUrl.addEventListener("submit", (event) => {
  event.preventDefault();
  const url = page.url.value.trim();
  void loadModel(url, fileName(url));
});
page.file.addEventListener("change", () => {
  const file = page.file.files?.[0];
  page.file.value = "";
  if (file) void loadModel(file, file.name);
});
page.embedded.addEventListener("click", () => void loadModel(undefined, "plm-tiny"));

for (const text of SUGGESTIONS) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => void ask(text));
  page.suggestions.append(button);
}
void loadModel(undefined, "plm-tiny");
