// "plume-lm/local" runs the model on the thread that imports it.
import { Plume } from "plume-lm/local";

addEventListener("message", async ({ data: content }) => {
  try {
    const lm = await Plume.load();
    const messages = [{ role: "user", content }];
    for await (const part of await lm.chat.completions.create({ messages, temperature: 0, stream: true }))
      postMessage({ text: part.choices[0].delta.content });
    postMessage({ title: `Written by: ${(await lm.stats()).adapter}` });
    lm.dispose();
  } catch (error) {
    postMessage({ title: `${error.name}: ${error.message}` });
  }
});
