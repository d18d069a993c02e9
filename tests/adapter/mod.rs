//! The GPU that tests run on.

use plume::backend::{Backend, gpu::GpuBackend};
use pollster::block_on;

/// The adapter, or `None` with a printed reason; where a GPU is required its absence is a failure.
pub fn gpu() -> Option<GpuBackend> {
    match block_on(GpuBackend::new()) {
        Ok(backend) => {
            println!("{}", backend.name());
            Some(backend)
        }
        Err(error) => {
            let required = ["CI", "PLUME_REQUIRE_GPU"].iter().any(|name| std::env::var_os(name).is_some());
            assert!(!required, "a Vulkan adapter is required here: {error}");
            println!("skipped: {error}");
            None
        }
    }
}
