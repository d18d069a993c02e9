// Runs in Node and in pages alike: what loaded models are told.

/** The greedy reply to each turn of each conversation. History is the reference's own, so that one tie spoils one reply. */
export async function greedyReplies(lm, conversations) {
  const replies = [];
  for (const { turns, steps } of conversations) {
    const messages = [];
    for (const [index, content] of turns.entries()) {
      messages.push({ role: "user", content });
      const reply = await lm.chat.completions.create({ messages, temperature: 0, max_tokens: 160 });
      replies.push({ text: reply.choices[0].message.content, usage: reply.usage });
      messages.push({ role: "assistant", content: steps[index].text });
    }
  }
  return replies;
}

/** How the story begins that a model tells on the CPU, which `Plume` loads and lets go of. */
export async function storyFrom(Plume, source, options, max_tokens = 16) {
  const lm = await Plume.load(source, { device: "cpu", ...options });
  const messages = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];
  const { choices } = await lm.chat.completions.create({ messages, temperature: 0, max_tokens });
  lm.dispose();
  return choices[0].message.content;
}
