// wllama as the benches drive it. On SwiftShader its WebGPU backend does not start, so it runs on the CPU, with more
// than one thread where the page is cross-origin isolated. llama.cpp cannot run PLM with flash attention.
import { Wllama } from "/wllama/esm/index.js";

export async function load(model, _device, threads = 1) {
  const lm = new Wllama({ default: "/wllama/esm/wasm/wllama.wasm" }, { suppressNativeLog: true });
  await lm.loadModelFromUrl(new URL(model, location.href).href, { n_ctx: 512, n_threads: threads, flash_attn: false });
  const stream = (messages, max_tokens) =>
    lm.createChatCompletion({ messages, temperature: 0, max_tokens, stream: true, cache_prompt: false });
  const ask = (messages, max_tokens) =>
    lm.createChatCompletion({ messages, temperature: 0, max_tokens, cache_prompt: false });
  return { stream, ask, adapter: `CPU, ${lm.isMultithread() ? lm.getNumThreads() : 1} thread(s)` };
}
