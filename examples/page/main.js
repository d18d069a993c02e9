// Writes a story into the page. ?model= names another model than the embedded one.
import { Plume } from "plume-lm";

const story = document.getElementById("story");

async function write() {
  const lm = await Plume.load(new URLSearchParams(location.search).get("model") ?? undefined);
  const reply = await lm.chat.completions.create({
    messages: [{ role: "user", content: "Tell me a story about a brave fox named Pip." }],
    temperature: 0,
    stream: true,
  });
  for await (const part of reply) story.append(part.choices[0].delta.content ?? "");
  const { adapter } = await lm.stats();
  lm.dispose();
  return adapter;
}

write().then(
  (adapter) => (document.title = `Written by: ${adapter}`),
  (error) => (document.title = `${error.name}: ${error.message}`),
);
