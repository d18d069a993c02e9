//! The feed-forward layer: the up projection gives lists of the active neurons, the down projection reads only their rows.
//! For many tokens at once a GPU reads all rows where many neurons are active, since one row then serves several tokens.

use super::{
    Activation, Dispatch, GpuBackend, Matrix, check,
    device::{Buffer, Scratch},
    kernels::{Epilogue, Kernel, Rows, Tiles, Variant},
    products::{MATVEC_ROWS, matvec_workgroups, norm_bytes},
    read_back::ReadBack,
    words,
};
use crate::{Result, model::Config};
use std::rc::Rc;

/// Neurons whose active ones make one list: those of a workgroup of matvec.wgsl. compact.wgsl has the same.
const TILE: usize = MATVEC_ROWS;

/// The largest fraction of active neurons at which many tokens take the sparse product. It reads a row for each token and
/// each active neuron, the dense one each row once for several tokens. Where a processor plays the GPU there is only the sparse
/// one: it took 0.49 of a dense one's time with half of the neurons active, and 0.85 with all (8 tokens, Q8_0, lavapipe).
const MOST_SPARSE: f64 = 0.2;

/// For each token lists of non-zero neurons, one for each tile of 16, as matvec.wgsl writes them.
pub struct SparseActivation {
    tokens: usize,
    neurons: usize,
    list: Scratch,
    counts: Rc<Scratch>,
    /// relu(x)^2 with its zeros, for many tokens on a GPU.
    dense: Option<Activation>,
}

/// The counts of one layer's lists in the last forward pass [tokens, tiles].
pub(super) struct LayerCounts {
    counts: Rc<Scratch>,
    tokens: usize,
    tiles: usize,
    neurons: usize,
}

/// The counts of a pass's last token, layer after layer, on their way to the host.
pub struct Density {
    /// The lists and the neurons of each layer.
    layers: Vec<(usize, usize)>,
    /// Without any layer there is none.
    counts: Option<Rc<ReadBack>>,
}

impl GpuBackend {
    /// relu(RMSNorm(x) Wup^T)^2 as lists.
    pub(super) fn active_neurons(
        &mut self,
        layer: usize,
        x: &Activation,
        norm: &Buffer,
        up: &Matrix,
        config: &Config,
    ) -> Result<SparseActivation> {
        check("norm_relu_squared: input width", x.width, up.columns)?;
        check("norm_relu_squared: bytes of norm", norm.size() as usize, norm_bytes(x.width))?;
        let (tokens, neurons) = (x.tokens, up.rows);
        let tiles = neurons.div_ceil(TILE);
        // Before anything is taken from the pool, and the last first: each layer then gets its own buffer again, which kept
        // bind groups name.
        while self.counts.len() > layer {
            self.counts.pop();
        }
        let list = self.device.scratch(tokens * tiles * TILE * 2)?;
        let counts = Rc::new(self.device.scratch(tokens * tiles)?);
        // The lists of one token are made where the products are, if the matrix is whole.
        let dense = if tokens == 1 && up.parts.len() == 1 {
            self.device.counters.bytes_read += up.bytes();
            let mut buffers = up.parts[0].bindings();
            buffers.extend([(2, x.values.buffer()), (3, list.buffer()), (4, counts.buffer()), (6, norm)]);
            let [rows, columns, first_row] = words([neurons, up.columns, 0]);
            self.device.dispatch(Dispatch {
                kernel: self.matvec_kernel(up.columns, true, Epilogue::ReluSquared),
                variant: up.variant,
                buffers: &buffers,
                params: &[rows, columns, first_row, config.rms_norm_eps.to_bits()],
                workgroups: matvec_workgroups(neurons),
                repeated: true,
            })?;
            None
        } else {
            let product = self.activation(tokens, neurons)?;
            self.product(up, x, Some((norm, config)), &product, false)?;
            self.device.dispatch(Dispatch {
                kernel: Kernel::Compact,
                variant: Variant::Plain,
                buffers: &[(0, product.values.buffer()), (1, list.buffer()), (2, counts.buffer())],
                params: &words([neurons]),
                workgroups: [tiles.div_ceil(64), 1, tokens],
                repeated: false,
            })?;
            (tokens > 1 && !self.narrow).then_some(product)
        };
        self.counts.push(LayerCounts { counts: counts.clone(), tokens, tiles, neurons });
        Ok(SparseActivation { tokens, neurons, list, counts, dense })
    }

    /// residual += active Wdown^T.
    pub(super) fn add_active(
        &mut self,
        residual: &mut Activation,
        down: &Matrix,
        active: &SparseActivation,
    ) -> Result<()> {
        check("sparse_matmul_add: width", residual.width, down.rows)?;
        check("sparse_matmul_add: neurons", active.neurons, down.columns)?;
        check("sparse_matmul_add: tokens", active.tokens, residual.tokens)?;
        let (kernel, columns) = if self.narrow {
            (Kernel::SparseMatmul, 256)
        } else {
            // 32 bytes of a neuron's row at a time, the least that a GPU reads.
            let column_lanes = match down.variant {
                Variant::NeuronsQ4_0 | Variant::NeuronsQ4K | Variant::NeuronsQ6K => 16,
                _ => 8,
            };
            (Kernel::SparseMatmulPacked { column_lanes, depth: 256 / column_lanes }, 4 * column_lanes as usize)
        };
        let mut buffers = down.parts[0].bindings();
        buffers.extend([(2, active.list.buffer()), (3, active.counts.buffer()), (4, residual.values.buffer())]);
        let sparse = Dispatch {
            kernel,
            variant: down.variant,
            buffers: &buffers,
            params: &words([down.rows, active.neurons.div_ceil(TILE)]),
            workgroups: [down.rows.div_ceil(columns), 1, active.tokens],
            repeated: active.tokens == 1,
        };
        // The dense product takes its rows by fours of neurons; no model that was trained has another number.
        match active.dense.as_ref().filter(|dense| dense.width.is_multiple_of(4)) {
            Some(dense) => self.add_sparse_or_dense(residual, down, active, sparse, dense),
            None => self.device.dispatch(sparse),
        }
    }

    /// Lets the device choose, since the host would have to wait to know how many neurons are active.
    fn add_sparse_or_dense(
        &mut self,
        residual: &Activation,
        down: &Matrix,
        active: &SparseActivation,
        sparse: Dispatch,
        dense: &Activation,
    ) -> Result<()> {
        let (tokens, neurons) = (active.tokens, active.neurons);
        // Squared activations may be larger than f16 can hold.
        let kernel = Kernel::Matmul { tiles: Tiles::F32, of: Rows::Neurons, add: true };
        let mut buffers = down.parts[0].bindings();
        buffers.extend([(2, dense.values.buffer()), (3, residual.values.buffer())]);
        let dense = Dispatch {
            kernel,
            variant: down.variant,
            buffers: &buffers,
            params: &words([down.rows, neurons, 0, down.rows, tokens, 0, neurons / 4]),
            workgroups: kernel.matmul_workgroups(down.rows, tokens),
            repeated: false,
        };
        let most = ((tokens * neurons) as f64 * MOST_SPARSE) as usize;
        let chosen = self.device.scratch(6)?;
        self.device.dispatch(Dispatch {
            kernel: Kernel::Choose,
            variant: Variant::Plain,
            buffers: &[(0, active.counts.buffer()), (1, chosen.buffer())],
            params: &words([
                tokens * neurons.div_ceil(TILE),
                most,
                sparse.workgroups[0],
                sparse.workgroups[2],
                dense.workgroups[0],
                dense.workgroups[2],
            ]),
            workgroups: [1, 1, 1],
            repeated: false,
        })?;
        self.device.dispatch_indirect(sparse, chosen.buffer(), 0)?;
        self.device.dispatch_indirect(dense, chosen.buffer(), 3)
    }

    /// Has the counts of the last forward pass brought to the host.
    pub(super) fn count_active(&mut self) -> Density {
        let layers: Vec<_> = self.counts.iter().map(|layer| (layer.tiles, layer.neurons)).collect();
        if layers.is_empty() {
            return Density { layers, counts: None };
        }
        let words = layers.iter().map(|(tiles, _)| tiles).sum();
        let counts = self.densities.slot(&self.device, words);
        let parts = self.counts.iter().map(|layer| {
            let last = (layer.tokens - 1) * layer.tiles;
            (layer.counts.buffer(), last..last + layer.tiles)
        });
        self.device.fetch(parts, &counts);
        Density { layers, counts: Some(counts) }
    }

    /// The fraction of active neurons of each layer.
    pub(super) async fn counted(&self, Density { layers, counts }: &Density) -> Result<Vec<f32>> {
        let Some(counts) = counts else { return Ok(Vec::new()) };
        let counts = self.device.fetched(counts).await?;
        let mut rest = counts.as_slice();
        let density = layers.iter().map(|(tiles, neurons)| {
            let (own, others) = rest.split_at(*tiles);
            rest = others;
            own.iter().sum::<u32>() as f32 / *neurons as f32
        });
        Ok(density.collect())
    }
}
