// The page of a program that has a worker of its own, which the model runs in.
const story = document.getElementById("story");
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.addEventListener("message", ({ data: { text, title } }) => {
  if (text) story.append(text);
  if (title) document.title = title;
});
worker.postMessage("Tell me a story about a brave fox named Pip.");
