//! Rehearsals: the forward pass and the sampler run as ever and choose their kernels, whose pipelines are made, but every
//! buffer is one of 16 bytes that claims the size it stands for, and nothing is recorded. So there is no list of kernels to
//! keep in step with what really runs.

use super::{GpuBackend, device::Pool, feed_forward::LayerCounts, measure::Counters, sampling::Draws};
use crate::Result;

/// What a rehearsal would otherwise leave its marks on.
pub(super) struct SetAside {
    draws: Draws,
    counts: Vec<LayerCounts>,
    counters: Counters,
    /// Stand-ins must not be taken for buffers that can be used again.
    pool: Pool,
}

impl GpuBackend {
    /// Begins a rehearsal.
    ///
    /// # Errors
    /// What the device has reported since the last check.
    pub(super) fn start_rehearsal(&mut self) -> Result<()> {
        if self.set_aside.is_none() {
            self.device.begin_rehearsal()?;
            self.set_aside = Some(SetAside {
                draws: std::mem::take(&mut self.draws),
                counts: std::mem::take(&mut self.counts),
                counters: std::mem::take(&mut self.device.counters),
                pool: std::mem::take(&mut self.device.pool),
            });
        }
        Ok(())
    }

    /// Ends a rehearsal.
    pub(super) fn stop_rehearsal(&mut self) {
        self.device.end_rehearsal();
        if let Some(SetAside { draws, counts, counters, pool }) = self.set_aside.take() {
            self.draws = draws;
            self.counts = counts;
            self.device.counters = counters;
            self.device.pool = pool;
        }
    }
}
