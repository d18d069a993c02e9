import { Plume } from "plume-lm";
import { useEffect, useState } from "react";

/** Loads a model for as long as the component lives: { lm } once it is there, until then { progress }, or { error }. */
export function usePlume(model) {
  const [state, setState] = useState({});
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const onProgress = (progress) => signal.aborted || setState({ progress });
    const loading = Plume.load(model, { signal, onProgress });
    loading.then(
      (lm) => signal.aborted || setState({ lm }),
      (error) => signal.aborted || setState({ error }),
    );
    return () => {
      abort.abort();
      loading.then(
        (lm) => lm.dispose(),
        () => {}, // What was not loaded need not be freed.
      );
    };
  }, [model]);
  return state;
}
