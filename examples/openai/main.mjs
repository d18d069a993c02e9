// OpenAI's own client, unchanged but for where it sends its requests. npm install plume-lm openai
import OpenAI from "openai";
import { Plume } from "plume-lm";

const lm = await Plume.load();
const client = new OpenAI({ fetch: lm.fetch, apiKey: "none", baseURL: "http://plume/v1" });
const stream = await client.chat.completions.create({
  model: "plm-tiny",
  messages: [{ role: "user", content: "Tell me a story about a brave fox named Pip." }],
  temperature: 0,
  stream: true,
});
for await (const part of stream) process.stdout.write(part.choices[0]?.delta?.content ?? "");
lm.dispose();
