//! Attention: new tokens are appended to the latent cache. In the absorbed form queries are then taken into the latent space,
//! the context is gone through in parts, and the parts are put together as values are expanded; expanded_attention.rs has
//! the other form.

use super::{
    Activation, Dispatch, GpuBackend, check,
    device::{Buffer, Scratch},
    kernels::{AttentionShape, Kernel, Variant},
    words,
};
use crate::{
    Error, Result,
    backend::{LatentAttention, check_entries},
    model::Config,
};

/// Cache entries that a part of the context has when there is but one token, and parts of the longest context. Shorter parts
/// cost more to put together, since expand_value.wgsl reads a latent of each for each head; longer ones leave a long context
/// with too few workgroups.
const PARTS: (usize, usize) = (128, 32);
const NARROW_PARTS: (usize, usize) = (512, 8);
/// Rows, and entries, that the narrow form takes together.
const EIGHT: usize = 8;
/// Weights of entries that the narrow form keeps at once.
const MOST_WEIGHTS: usize = 1 << 22;
/// The widest latent that fits in the workgroup memory of expand_value.wgsl.
const MOST_RANK: usize = 2048;

/// For each layer [capacity, entry], f16; an entry is the latent, then the rotated key, each padded to a multiple of 4.
pub struct Cache {
    pub(super) layers: Vec<Buffer>,
    capacity: usize,
    /// Words of an entry.
    entry: usize,
}

/// What a context comes to in the latent space, still in parts.
struct Parts {
    /// [tokens, heads, parts, latent]
    z: Scratch,
    /// [tokens, heads, parts]: the largest score, and the sum of the weights.
    sums: Scratch,
    parts: usize,
    /// In entries.
    part_length: usize,
}

/// (cos, sin) of every position and pair, for one configuration.
pub(super) struct Angles {
    buffer: Buffer,
    rope: usize,
    theta: f32,
    positions: usize,
}

/// The latent and a whole cache entry, in units of 4 values.
pub(super) fn entry_shape(config: &Config) -> (usize, usize) {
    let latent = config.kv_lora_rank.div_ceil(4);
    (latent, latent + config.qk_rope_head_dim.div_ceil(4))
}

/// Bytes of one cache entry.
pub(super) fn entry_bytes(config: &Config) -> usize {
    entry_shape(config).1 * 8
}

impl GpuBackend {
    pub(super) fn reserve_cache(&mut self, config: &Config, capacity: usize) -> Result<Cache> {
        if config.kv_lora_rank > MOST_RANK {
            return Err(Error::UnsupportedModel(format!(
                "kv_lora_rank is {}; the GPU backend runs up to {MOST_RANK}",
                config.kv_lora_rank
            )));
        }
        let bytes = capacity as u64 * entry_bytes(config) as u64;
        let layers = (0..config.num_hidden_layers).map(|_| self.device.storage(bytes, "the cache"));
        let layers = layers.collect::<Result<_>>()?;
        self.prepare_angles(config, capacity)?;
        Ok(Cache { layers, capacity, entry: entry_bytes(config) / 4 })
    }

    /// Gives the memory back at once: JavaScript's garbage collector knows nothing of it.
    pub(super) fn free_entries(&mut self, cache: &Cache) {
        // What is recorded may not use a buffer that is gone when it is submitted.
        self.device.submit();
        cache.layers.iter().for_each(Buffer::destroy);
    }

    pub(super) fn copy_entries(&mut self, from: &Cache, to: &Cache, tokens: usize) {
        for (from_layer, to_layer) in from.layers.iter().zip(&to.layers) {
            self.device.copy((from_layer, 0), (to_layer, 0), tokens * from.entry);
        }
    }

    pub(super) async fn read_entries(&mut self, cache: &Cache, layer: usize, tokens: usize) -> Result<Vec<u8>> {
        if tokens == 0 {
            return Ok(Vec::new()); // Nothing can be mapped of no bytes.
        }
        let words = self.device.read(&cache.layers[layer], tokens * cache.entry).await?;
        Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    pub(super) fn write_entries(&mut self, cache: &Cache, layer: usize, tokens: usize, bytes: &[u8]) -> Result<()> {
        check_entries(bytes.len(), tokens * cache.entry * 4)?;
        let words: Vec<u32> =
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        self.device.write(&cache.layers[layer], 0, &words);
        Ok(())
    }

    /// Angles in f64: the sine of some thousand radians in f32 has lost four digits.
    fn prepare_angles(&mut self, config: &Config, positions: usize) -> Result<()> {
        let fits = |angles: &Angles| {
            angles.rope == config.qk_rope_head_dim && angles.theta == config.rope_theta && angles.positions >= positions
        };
        if self.angles.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let buffer = self.device.storage(positions as u64 * config.qk_rope_head_dim as u64 * 4, "the rotary angles")?;
        let mut words = Vec::with_capacity(positions * config.qk_rope_head_dim);
        for position in 0..positions {
            for pair in 0..config.qk_rope_head_dim / 2 {
                let exponent = -2.0 * pair as f64 / config.qk_rope_head_dim as f64;
                let angle = position as f64 * f64::from(config.rope_theta).powf(exponent);
                words.extend([(angle.cos() as f32).to_bits(), (angle.sin() as f32).to_bits()]);
            }
        }
        self.device.write(&buffer, 0, &words);
        self.angles = Some(Angles { buffer, rope: config.qk_rope_head_dim, theta: config.rope_theta, positions });
        Ok(())
    }

    fn angles(&self) -> Result<Buffer> {
        let angles = self.angles.as_ref().map(|angles| angles.buffer.clone());
        angles.ok_or_else(|| Error::UnsupportedModel("a cache must be created before it is used".to_owned()))
    }

    /// Appends the new tokens to the cache and attends to everything in it.
    pub(super) fn attend(
        &mut self,
        cache: &mut Cache,
        attention: &LatentAttention<'_, Self>,
        config: &Config,
    ) -> Result<Activation> {
        let LatentAttention { layer, position, q, compressed, kv_a_layernorm, kv_b_proj } = *attention;
        let (heads, tokens) = (config.num_attention_heads, q.tokens);
        let (rank, nope, rope, v) =
            (config.kv_lora_rank, config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim);
        check("latent_attention: width of q", q.width, heads * config.qk_head_dim())?;
        check("latent_attention: width of compressed", compressed.width, config.cache_width())?;
        check("latent_attention: tokens of compressed", compressed.tokens, tokens)?;
        check("latent_attention: parts of kv_b_proj", kv_b_proj.parts.len(), 1)?;
        let length = position + tokens;
        if length > cache.capacity {
            return Err(Error::ContextFull(format!("{length} tokens do not fit in a context of {}", cache.capacity)));
        }
        let weights = &kv_b_proj.parts[0];
        let (latent, entry) = entry_shape(config);
        let angles = self.angles()?;

        let expanded = self.expands(config, position, tokens);
        let query_width = if expanded { nope.div_ceil(4) + rope.div_ceil(4) } else { entry };
        let query = self.device.scratch(tokens * heads * query_width * 4)?;
        let mut buffers = if expanded { Vec::new() } else { weights.bindings() };
        buffers.extend([
            (2, &self.state),
            (3, q.values.buffer()),
            (4, compressed.values.buffer()),
            (5, kv_a_layernorm),
            (6, &angles),
            (7, query.buffer()),
            (8, &cache.layers[layer]),
        ]);
        let mut params = words([heads, nope, rope, v, rank]).to_vec();
        params.extend([config.attention_scale().to_bits(), config.rms_norm_eps.to_bits()]);
        self.device.dispatch(Dispatch {
            kernel: Kernel::AppendAndAbsorb { depth: if self.narrow { 1 } else { 16 }, expanded },
            variant: if expanded { Variant::Plain } else { kv_b_proj.variant },
            buffers: &buffers,
            params: &params,
            workgroups: [if expanded { 1 } else { rank.div_ceil(64) }, heads + 1, tokens],
            repeated: tokens == 1,
        })?;

        if expanded {
            return self.attend_expanded(cache, attention, query.buffer(), config);
        }

        let context = self.attend_absorbed(cache, attention, query.buffer(), config)?;
        let o = self.activation(tokens, heads * v)?;
        let mut buffers = weights.bindings();
        buffers.extend([(2, context.z.buffer()), (3, context.sums.buffer()), (4, o.values.buffer()), (5, &self.state)]);
        let reduce = !self.narrow;
        self.device.dispatch(Dispatch {
            kernel: Kernel::ExpandValue { latent: latent as u32, reduce },
            variant: kv_b_proj.variant,
            buffers: &buffers,
            params: &words([heads, nope, v, rank, context.parts, context.part_length]),
            workgroups: [if reduce { v.div_ceil(32) } else { 1 }, heads, tokens],
            repeated: tokens == 1,
        })?;
        if tokens == 1 {
            let parts = length.div_ceil(context.part_length);
            self.device.counters.bytes_read += kv_b_proj.bytes() + (parts * heads * latent * 16) as u64;
        }
        Ok(o)
    }

    /// `query` is what append_and_absorb.wgsl has made.
    fn attend_absorbed(
        &mut self,
        cache: &Cache,
        attention: &LatentAttention<'_, Self>,
        query: &Buffer,
        config: &Config,
    ) -> Result<Parts> {
        let (heads, tokens) = (config.num_attention_heads, attention.q.tokens);
        let (latent, entry) = entry_shape(config);
        // Many tokens fill the device with fewer parts each, and so take no more memory than one.
        let (least, most) = if self.narrow { NARROW_PARTS } else { PARTS };
        let part_length = (tokens * least).max(cache.capacity.div_ceil(most)).next_multiple_of(EIGHT);
        let parts = cache.capacity.div_ceil(part_length);
        let z = self.device.scratch(tokens * heads * parts * latent * 4)?;
        let sums = self.device.scratch(tokens * heads * parts * 2)?;
        let context = Parts { z, sums, parts, part_length };
        if self.narrow {
            self.attend_in_two_passes(cache, attention, query, config, &context)?;
            return Ok(context);
        }
        let length = attention.position + tokens;
        if tokens == 1 {
            self.device.counters.bytes_read += (length * entry_bytes(config)) as u64;
        }
        let quads = heads.div_ceil(4).min(4);
        let workgroups = [length.div_ceil(part_length), heads.div_ceil(4 * quads), tokens];
        let [quads, latent, entry] = words([quads, latent, entry]);
        self.device.dispatch(Dispatch {
            kernel: Kernel::LatentAttention(AttentionShape { quads, latent, entry }),
            variant: Variant::Plain,
            buffers: &[
                (0, &self.state),
                (1, query),
                (2, &cache.layers[attention.layer]),
                (3, context.z.buffer()),
                (4, context.sums.buffer()),
            ],
            params: &words([heads, parts, part_length]),
            workgroups,
            repeated: tokens == 1,
        })?;
        Ok(context)
    }

    /// The same for processors that play a GPU.
    fn attend_in_two_passes(
        &mut self,
        cache: &Cache,
        attention: &LatentAttention<'_, Self>,
        query: &Buffer,
        config: &Config,
        context: &Parts,
    ) -> Result<()> {
        let (heads, tokens) = (config.num_attention_heads, attention.q.tokens);
        let (latent, entry) = entry_shape(config);
        let length = attention.position + tokens;
        let cached = &cache.layers[attention.layer];
        // A row is one head of one token.
        let rows = tokens * heads;
        if tokens == 1 {
            let [entry_bytes, latent_bytes, weight_bytes] = [entry * 8, latent * 8, rows * 4];
            self.device.counters.bytes_read += (length * (entry_bytes + latent_bytes + weight_bytes)) as u64;
        }
        // For one token the same at every position, so that bind groups are kept.
        let reached = if tokens == 1 { cache.capacity } else { length };
        let eights = reached.div_ceil(EIGHT);
        let most_at_once = (MOST_WEIGHTS / (eights * EIGHT * EIGHT) * EIGHT).max(EIGHT);
        let at_once = most_at_once.min(rows.next_multiple_of(EIGHT));
        let weights = self.device.scratch(at_once * eights * EIGHT)?;
        let largest = self.device.scratch(at_once * eights)?;
        for first in (0..rows).step_by(at_once) {
            let end = rows.min(first + at_once);
            let eights_of_rows = (end - first).div_ceil(EIGHT);
            self.device.dispatch(Dispatch {
                kernel: Kernel::LatentAttentionScores { entry: entry as u32 },
                variant: Variant::Plain,
                buffers: &[(0, &self.state), (1, query), (2, cached), (3, weights.buffer()), (4, largest.buffer())],
                params: &words([heads, first, end, eights]),
                workgroups: [length.div_ceil(16 * EIGHT), eights_of_rows, 1],
                repeated: tokens == 1,
            })?;
            self.device.dispatch(Dispatch {
                kernel: Kernel::LatentAttentionValues { latent: latent as u32, entry: entry as u32 },
                variant: Variant::Plain,
                buffers: &[
                    (0, &self.state),
                    (1, weights.buffer()),
                    (2, cached),
                    (3, context.z.buffer()),
                    (4, context.sums.buffer()),
                    (5, largest.buffer()),
                ],
                params: &words([heads, first, end, eights, context.parts, context.part_length / EIGHT]),
                workgroups: [latent.div_ceil(32), eights_of_rows, length.div_ceil(context.part_length)],
                repeated: tokens == 1,
            })?;
        }
        Ok(())
    }
}
