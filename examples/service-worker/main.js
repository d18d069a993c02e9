// A page that asks a server of OpenAI's interface. There is none: its service worker answers.
const story = document.getElementById("story");

async function write() {
  await navigator.serviceWorker.register("./service-worker.js", { type: "module" });
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller)
    await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve));
  const answer = await fetch("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({
      messages: [{ role: "user", content: "Tell me a story about a brave fox named Pip." }],
      temperature: 0,
      stream: true,
    }),
  });
  let rest = "";
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + text).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.slice("data: ".length);
      if (data !== "[DONE]") story.append(JSON.parse(data).choices[0].delta.content ?? "");
    }
  }
}

write().then(
  () => (document.title = "Written by: the service worker"),
  (error) => (document.title = `${error.name}: ${error.message}`),
);
