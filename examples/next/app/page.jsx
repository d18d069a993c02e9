"use client";
import { useEffect, useState } from "react";
import { usePlume } from "./use-plume.js";

const messages = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];

export default function Page() {
  const { lm, error } = usePlume();
  const [story, setStory] = useState("");
  useEffect(() => {
    if (!lm) return;
    const abort = new AbortController();
    write(lm, setStory, abort.signal).then(
      (adapter) => (document.title = `Written by: ${adapter}`),
      (error) => abort.signal.aborted || (document.title = `${error.name}: ${error.message}`),
    );
    return () => abort.abort();
  }, [lm]);
  return <p id="story">{error ? error.message : story}</p>;
}

async function write(lm, setStory, signal) {
  let text = "";
  for await (const part of await lm.chat.completions.create({ messages, temperature: 0, stream: true }, { signal }))
    setStory((text += part.choices[0].delta.content ?? ""));
  return (await lm.stats()).adapter;
}
