//! How the forward pass is told which tokens to run. gpu.mjs writes another file in this one's place for older commits.

use plume::backend::{Tokens, gpu::GpuBackend};

pub fn known(ids: &[u32]) -> Tokens<'_, GpuBackend> {
    Tokens::Known(ids)
}
