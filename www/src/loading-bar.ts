// How far a load has come, and the buttons that hold it up or end it.
import type { Progress } from "plume-lm";
import { element, setText } from "./dom.js";
import type { Load, Model } from "./model.js";
import { bytes, duration } from "./units.js";

const place = element("loading");
const bar = element<HTMLProgressElement>("progress");
const text = element("progress-text");
const pause = element<HTMLButtonElement>("pause-load");

export function loadingBar(model: Model): { show(): void } {
  pause.addEventListener("click", () => model.pause(!model.load?.paused));
  element("cancel-load").addEventListener("click", () => model.cancel());
  return {
    show() {
      const { load } = model;
      place.hidden = !load;
      if (!load) return;
      const { progress } = load;
      if (progress && progress.total > 0) {
        bar.max = progress.total;
        bar.value = progress.loaded;
      } else bar.removeAttribute("value");
      // What comes from the disk is there before anybody could press it.
      pause.hidden = progress?.phase !== "download" || progress.total === 0;
      setText(pause, load.paused ? "Resume" : "Pause");
      setText(text, describe(load));
    },
  };
}

function describe({ name, progress, paused }: Load): string {
  if (!progress) return `Opening ${name}`;
  const { loaded, total } = progress;
  const amount = `${bytes(loaded)} of ${bytes(total)}`;
  if (paused) return `Paused: ${amount} of ${name}. What has come is kept.`;
  if (progress.phase === "ready") return "Ready";
  if (progress.retrying) return `Nothing comes; it is tried again. ${progress.retrying}`;
  return `${progress.phase === "download" ? "Downloading" : "Loading"} ${name}: ${amount}${pace(progress)}`;
}

function pace({ rate, seconds_left }: Progress): string {
  const speed = rate ? `, ${bytes(rate)}/s` : "";
  return seconds_left === undefined ? speed : `${speed}, ${duration(seconds_left)} left`;
}
