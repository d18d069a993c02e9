//! What the CPU engine runs on. Its threads are workers, each with an instance of this module, that share its memory; builds
//! without shared memory have one.

use crate::backend::cpu::Pool;

#[cfg(not(target_feature = "atomics"))]
pub(super) fn pool() -> Pool {
    Pool::alone()
}

#[cfg(target_feature = "atomics")]
pub(super) use shared::pool;

#[cfg(target_feature = "atomics")]
mod shared {
    use super::Pool;
    use crate::backend::cpu::Shared;
    use std::sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };
    use wasm_bindgen::prelude::wasm_bindgen;

    static SHARED: OnceLock<Arc<Shared>> = OnceLock::new();
    /// The one that has the models, and those that help.
    static THREADS: AtomicUsize = AtomicUsize::new(1);

    fn shared() -> &'static Arc<Shared> {
        SHARED.get_or_init(Shared::new)
    }

    /// Lets this thread help all models in this memory. It does not return.
    #[wasm_bindgen]
    pub fn help() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            shared().fail();
            hook(info);
        }));
        shared().help();
    }

    /// Says how many threads compute together from now on: this one and those that [`help`].
    #[wasm_bindgen(js_name = setThreads)]
    pub fn set_threads(threads: usize) {
        THREADS.store(threads.max(1), Relaxed);
    }

    pub fn pool() -> Pool {
        // SAFETY: one thread has all models; the others do not come back from `help`.
        unsafe { Pool::of(shared().clone(), THREADS.load(Relaxed)) }
    }
}
