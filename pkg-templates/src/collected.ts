/** Ends what nobody can ask for any more: a stream that was begun, and then forgotten. */
const registry = /* @__PURE__ */ new FinalizationRegistry((left: AbortController) => left.abort());

/** Aborts once an object has been collected. The controller must not know the object. */
export function abortWhenCollected(object: object, left: AbortController): void {
  registry.register(object, left);
}
