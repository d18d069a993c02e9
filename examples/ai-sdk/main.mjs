// The Vercel AI SDK. npm install plume-lm ai @ai-sdk/openai-compatible
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";
import { Plume } from "plume-lm";

const lm = await Plume.load();
const plume = createOpenAICompatible({ name: "plume", baseURL: "http://plume/v1", fetch: lm.fetch });
const { textStream } = streamText({
  model: plume("plm-tiny"),
  prompt: "Tell me a story about a brave fox named Pip.",
  temperature: 0,
});
for await (const text of textStream) process.stdout.write(text);
lm.dispose();
