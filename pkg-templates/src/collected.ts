/** Ends what nobody can ask for any more: a stream that was begun, and then forgotten. */
let registry: FinalizationRegistry<AbortController> | undefined;

/** Aborts once an object has been collected. The controller must not know the object. */
export function abortWhenCollected(object: object, left: AbortController): void {
  registry ??= new FinalizationRegistry((left) => left.abort());
  registry.register(object, left);
}
