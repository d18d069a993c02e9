// Writes a story. In Node it runs on the GPU where the package webgpu is installed beside plume-lm, else on the CPU.
import { Plume } from "plume-lm";

const lm = await Plume.load();
const reply = await lm.chat.completions.create({
  messages: [{ role: "user", content: "Tell me a story about a brave fox named Pip." }],
  temperature: 0,
  stream: true,
});
for await (const part of reply) process.stdout.write(part.choices[0].delta.content ?? "");
lm.dispose();
