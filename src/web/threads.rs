//! What the CPU engine runs on. Its threads are workers, each with an instance of this module, that share its memory; builds
//! without shared memory have one.

use crate::backend::cpu::Pool;

#[cfg(not(target_feature = "atomics"))]
pub(super) fn pool(_threads: usize) -> Pool {
    Pool::alone()
}

#[cfg(target_feature = "atomics")]
pub(super) use shared::pool;

#[cfg(target_feature = "atomics")]
mod shared {
    use super::Pool;
    use crate::backend::cpu::Shared;
    use std::sync::{Arc, OnceLock};
    use wasm_bindgen::prelude::wasm_bindgen;

    static SHARED: OnceLock<Arc<Shared>> = OnceLock::new();

    fn shared() -> &'static Arc<Shared> {
        SHARED.get_or_init(|| {
            // All threads have the same hook. Whichever panics, none is to wait for it.
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if let Some(shared) = SHARED.get() {
                    shared.fail();
                }
                hook(info);
            }));
            Shared::new()
        })
    }

    /// Lets this thread help all models in this memory. It does not return.
    #[wasm_bindgen]
    pub fn help() {
        shared().help();
    }

    /// This thread and those that [`help`], up to `threads` together.
    pub fn pool(threads: usize) -> Pool {
        // SAFETY: one thread has all models; the others do not come back from `help`.
        unsafe { Pool::of(shared().clone(), threads) }
    }
}
