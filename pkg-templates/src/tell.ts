/** Calls a listener. Where it throws, its mistake is shown, and what it listens to goes on. */
export function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
