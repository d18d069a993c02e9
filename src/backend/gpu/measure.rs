//! What benches ask of the backend: counts, single kernels, and the time that the device takes.

use super::{GpuBackend, Matrix, matrix::Part};

/// What was recorded since the counters were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub dispatches: u64,
    /// Bytes that the kernels for one token read of weights, scales, the cache and the parts of attention, each byte once a
    /// dispatch. The down projection's are not in it, since only the device knows how many neurons are active; see
    /// [`Matrix::plane_bytes`].
    pub bytes_read: u64,
}

impl Matrix {
    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().flat_map(Part::bindings).map(|(_, buffer)| buffer.size()).sum()
    }

    /// Bytes on the device, one number a plane: the weights themselves, then what is kept beside them, such as scales.
    /// Of a neuron-major matrix a kernel reads the weights of the active neurons, and of the other planes those values
    /// that any of 32 neighbouring neurons needs.
    pub fn plane_bytes(&self) -> Vec<u64> {
        let mut planes = Vec::new();
        for part in &self.parts {
            for (plane, (_, buffer)) in part.bindings().into_iter().enumerate() {
                planes.resize(planes.len().max(plane + 1), 0);
                planes[plane] += buffer.size();
            }
        }
        planes
    }
}

impl GpuBackend {
    /// Whether a processor plays the GPU.
    pub fn is_software(&self) -> bool {
        self.device.software
    }

    /// How many pipelines have been made.
    pub fn pipelines(&self) -> usize {
        self.device.pipelines()
    }

    /// Gives the counters and sets them to zero.
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.device.counters)
    }

    /// Records from now on only kernels whose names in `kernels.rs` begin so, and leaves the others out; all again with
    /// `None`.
    pub fn record_only(&mut self, kernel: Option<&str>) {
        self.device.only = kernel.map(str::to_owned);
    }

    /// Hands everything recorded to the device, without waiting.
    pub fn flush(&mut self) {
        self.device.submit();
    }

    /// Hands everything recorded to the device and waits for it. The time runs from the moment when commands are complete to
    /// the moment when the device has done all that was ever given to it, so nothing should be in flight before.
    ///
    /// # Errors
    /// What the device reported since the last check.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_timed(&mut self) -> crate::Result<std::time::Duration> {
        self.device.run_timed()
    }
}
