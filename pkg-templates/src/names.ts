/** Whether a string looks like a model's name on a hub (owner/model, owner/model:Q4_K_M, owner/model@revision), not like a path. */
export function isHubName(model: string): boolean {
  return /^[\w-][\w.-]*\/[\w-][\w.-]*(@[^:]+)?(:.+)?$/.test(model) && !/^[^:@]*\.(gguf|safetensors|json)$/i.test(model);
}
