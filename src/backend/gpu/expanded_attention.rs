//! Attention of many tokens in the expanded form: keys and values of all heads are made from the latent cache, a block of
//! entries at a time, so that memory does not grow with the context, and an online softmax goes on from block to block.

use super::{
    Activation, Cache, Dispatch, GpuBackend,
    attention::entry_shape,
    device::Buffer,
    kernels::{ExpandedShape, Kernel, Rows, Variant},
    words,
};
use crate::{Result, backend::LatentAttention, model::Config};

/// Entries that are expanded at a time; for PLM-1.8B they take 16 MiB.
const BLOCK: usize = 1024;
/// The widest value of one head; a kernel holds it in registers.
const MOST_VALUE: usize = 256;

impl GpuBackend {
    /// Whether the expanded form takes fewer multiplications. Expanding costs the same for one token as for many, and each
    /// product of a query with an entry is cheaper afterwards.
    pub(super) fn expands(&self, config: &Config, position: usize, tokens: usize) -> bool {
        let Config { kv_lora_rank: rank, qk_nope_head_dim: nope, qk_rope_head_dim: rope, v_head_dim: v, .. } = *config;
        if tokens == 1 || !nope.is_multiple_of(4) || !v.is_multiple_of(4) || v > MOST_VALUE {
            return false;
        }
        let block_bytes = (BLOCK * config.num_attention_heads * (nope + v)) as u64 * 4;
        if block_bytes > self.device.binding_limit {
            return false;
        }
        if let Some(chosen) = self.expanded {
            return chosen;
        }
        // In 64 bits: usize has 32 in a page, and a long context needs more.
        let [tokens, position, rank, nope, rope, v] = [tokens, position, rank, nope, rope, v].map(|value| value as u64);
        let pairs = tokens * position + tokens * (tokens + 1) / 2;
        let absorbed = tokens * (nope + v) * rank + pairs * (2 * rank + rope);
        let expanded = (position + tokens) * (nope + v) * rank + pairs * (nope + rope + v);
        expanded < absorbed
    }

    /// `query` is what append_and_absorb.wgsl has made.
    pub(super) fn attend_expanded(
        &mut self,
        cache: &Cache,
        attention: &LatentAttention<'_, Self>,
        query: &Buffer,
        config: &Config,
    ) -> Result<Activation> {
        let LatentAttention { layer, position, q, kv_b_proj, .. } = *attention;
        let (heads, tokens) = (config.num_attention_heads, q.tokens);
        let (rank, nope, v) = (config.kv_lora_rank, config.qk_nope_head_dim, config.v_head_dim);
        let (latent, entry) = entry_shape(config);
        let length = position + tokens;
        let weights = &kv_b_proj.parts[0];
        let entries = &cache.layers[layer];
        let width = heads * (nope + v);
        let expanded = self.device.scratch(length.min(BLOCK) * width)?;
        let sums = self.device.scratch(tokens * heads * 2)?;
        let o = self.activation(tokens, heads * v)?;
        let expand = Kernel::Matmul { tiles: self.tiles(kv_b_proj), of: Rows::Cache, add: false };
        let tiled = !self.narrow;
        let [nope, value, latent, entry_words] = words([nope / 4, v / 4, latent, entry]);
        let attend = Kernel::ExpandedAttention(ExpandedShape { tiled, nope, value, latent, entry: entry_words });
        for start in (0..length).step_by(BLOCK) {
            let end = length.min(start + BLOCK);
            let mut buffers = weights.bindings();
            buffers.extend([(2, entries), (3, expanded.buffer())]);
            self.device.dispatch(Dispatch {
                kernel: expand,
                variant: kv_b_proj.variant,
                buffers: &buffers,
                params: &words([width, rank, 0, width, end - start, start, entry]),
                workgroups: expand.matmul_workgroups(width, end - start),
                repeated: false,
            })?;
            self.device.dispatch(Dispatch {
                kernel: attend,
                variant: Variant::Plain,
                buffers: &[
                    (0, &self.state),
                    (1, query),
                    (2, expanded.buffer()),
                    (3, entries),
                    (4, o.values.buffer()),
                    (5, sums.buffer()),
                ],
                params: &words([heads, tokens, start, end, usize::from(end == length)]),
                workgroups: [tokens.div_ceil(32), heads, 1],
                repeated: false,
            })?;
        }
        Ok(o)
    }
}
