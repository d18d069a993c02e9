// Runs in Node and in pages alike: the golden conversations, told to a loaded model.

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
