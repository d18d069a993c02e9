// LangChain. npm install plume-lm @langchain/openai
import { ChatOpenAI } from "@langchain/openai";
import { Plume } from "plume-lm";

const lm = await Plume.load();
const model = new ChatOpenAI({
  model: "plm-tiny",
  temperature: 0,
  apiKey: "none",
  configuration: { baseURL: "http://plume/v1", fetch: lm.fetch },
});
for await (const part of await model.stream("Tell me a story about a brave fox named Pip."))
  process.stdout.write(part.text);
lm.dispose();
