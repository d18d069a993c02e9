"use client";
import { Plume } from "plume-lm";
import { useEffect, useState } from "react";

export default function Page() {
  const [story, setStory] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    write(setStory, abort.signal).then(
      (adapter) => (document.title = `Written by: ${adapter}`),
      (error) => abort.signal.aborted || (document.title = `${error.name}: ${error.message}`),
    );
    return () => abort.abort();
  }, []);
  return <p id="story">{story}</p>;
}

async function write(setStory, signal) {
  const lm = await Plume.load(undefined, { signal });
  const messages = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];
  const reply = await lm.chat.completions.create({ messages, temperature: 0, stream: true }, { signal });
  let text = "";
  for await (const part of reply) setStory((text += part.choices[0].delta.content ?? ""));
  const { adapter } = await lm.stats();
  lm.dispose();
  return adapter;
}
