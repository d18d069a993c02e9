//! Sampling on the device: shaders/sample_chunk.wgsl narrows the choice down, draws, and sample_merge.wgsl leaves the token
//! in the state, where the next forward pass finds it. Only a copy of the state comes back, when it is ready.

use super::{
    Activation, GpuBackend, check,
    device::{Buffer, Device, Dispatch, Scratch},
    kernels::{Kernel, Variant},
    read_back::{ReadBack, Ring},
    words,
};
use crate::{
    Error, Result,
    backend::check_mask,
    backend::sampling::{Rules, Sampling, not_finite, occurrences},
};
use std::rc::Rc;

/// One token is computed, the next waits so that the device goes on at once, and one more is on its way to whoever asked.
pub(super) const STEPS_IN_FLIGHT: usize = 3;
/// Logits that one workgroup takes: few enough that a large vocabulary keeps a GPU busy, and enough that merging what the
/// workgroups found costs little.
pub(super) const CHUNK: usize = 4096;
/// Words of the state.
const STATE: usize = 4;
/// The word of the state that says which position the next logits are for.
const NEXT: u64 = 2;
/// Words of sample_chunk.wgsl's `selection`: 64, and two for each bin of each of 8 stages.
const SELECTION: u64 = 64 + 8 * 512;

/// The stages of sample_chunk.wgsl.
const TOP_K: u32 = 0;
const TOP_P: u32 = 4;
const LARGEST: u32 = 8;

/// What one reply's draws depend on.
pub struct Sampler {
    rules: Rules,
    vocab_size: usize,
    /// sample_chunk.wgsl's `Rules`.
    buffer: Scratch,
}

/// A sampled token: on the device at once, on the host later.
pub struct Token {
    number: u64,
    state: Rc<ReadBack>,
}

/// A copy of the state that is there once everything submitted before it is done.
pub struct Fence(pub(super) Rc<ReadBack>);

/// An activation's values on their way to the host.
pub struct Values(pub(super) Rc<ReadBack>);

/// What the backend remembers between draws.
#[derive(Default)]
pub(super) struct Draws {
    ring: Ring,
    /// sample_chunk.wgsl's `selection`, all zeros between draws.
    selection: Option<Buffer>,
    count: u64,
    /// The number of the token that the state holds, if it was sampled.
    in_state: Option<u64>,
    /// What the state's word `NEXT` is.
    next_position: usize,
}

impl Sampler {
    pub(super) fn new(
        device: &mut Device,
        sampling: &Sampling,
        seed: u64,
        vocab_size: usize,
        prompt: &[u32],
        drawn: &[u32],
    ) -> Result<Self> {
        let rules = Rules::new(sampling, vocab_size);
        let mut content = vec![
            rules.temperature.to_bits(),
            rules.inverse_temperature.to_bits(),
            u32::from(rules.penalises()),
            rules.repetition.to_bits(),
            rules.inverse_repetition.to_bits(),
            rules.frequency.to_bits(),
            rules.presence.to_bits(),
            rules.top_k,
            rules.top_p,
            rules.min_p.to_bits(),
            seed as u32,
            (seed >> 32) as u32,
        ];
        // The shader's array has at least one element.
        content.extend(if rules.penalises() { occurrences(vocab_size, prompt, drawn) } else { vec![0] });
        let buffer = device.scratch(content.len())?;
        device.write(buffer.buffer(), 0, &content);
        Ok(Self { rules, vocab_size, buffer })
    }
}

impl GpuBackend {
    /// Makes tokens that the host knows the ones of the next forward pass.
    pub(super) fn set_state(&mut self, token: u32, position: usize, count: usize) {
        let [position, next] = words([position, position + count]);
        self.device.write(&self.state, 0, &[token, position, next, 0]);
        self.draws.in_state = None;
        self.draws.next_position = next as usize;
    }

    /// Checks that the next forward pass finds this token in the state, for this position.
    pub(super) fn check_state_has(&self, token: &Token, position: usize) -> Result<()> {
        if self.draws.in_state == Some(token.number) && self.draws.next_position == position + 1 {
            return Ok(());
        }
        Err(Error::InvalidRequest(format!(
            "a sampled token was to be run at position {position}; expected the last one sampled, at its own position"
        )))
    }

    pub(super) fn bias(&mut self, logits: &Activation, bias: &[(u32, f32)]) -> Result<()> {
        check("bias: tokens", logits.tokens, 1)?;
        if let Some((token, _)) = bias.iter().find(|(token, _)| *token as usize >= logits.width) {
            return Err(Error::InvalidRequest(format!("bias: token {token} of {} logits", logits.width)));
        }
        let pairs = self.device.scratch(bias.len() * 2)?;
        let content: Vec<u32> = bias.iter().flat_map(|(token, bias)| [*token, bias.to_bits()]).collect();
        self.device.write(pairs.buffer(), 0, &content);
        self.device.dispatch(Dispatch {
            kernel: Kernel::AddBias,
            variant: Variant::Plain,
            buffers: &[(0, logits.values.buffer()), (1, pairs.buffer())],
            params: &words([bias.len()]),
            workgroups: [bias.len().div_ceil(64), 1, 1],
            repeated: true,
        })
    }

    pub(super) fn forbid(&mut self, logits: &Activation, allowed: &[u32]) -> Result<()> {
        check("mask: tokens", logits.tokens, 1)?;
        check_mask(logits.width, allowed)?;
        let mask = self.device.scratch(allowed.len())?;
        self.device.write(mask.buffer(), 0, allowed);
        self.device.dispatch(Dispatch {
            kernel: Kernel::MaskLogits,
            variant: Variant::Plain,
            buffers: &[(0, logits.values.buffer()), (1, mask.buffer())],
            params: &words([logits.width]),
            workgroups: [logits.width.div_ceil(256), 1, 1],
            repeated: true,
        })
    }

    pub(super) fn draw(&mut self, sampler: &mut Sampler, logits: &Activation, position: usize) -> Result<Token> {
        check("sample: logits", logits.width, sampler.vocab_size)?;
        check("sample: tokens", logits.tokens, 1)?;
        if position != self.draws.next_position {
            self.device.write(&self.state, NEXT, &words([position]));
        }
        let rules = sampler.rules;
        let filtered = rules.filters();
        let width = if self.narrow { 16 } else { 256 };
        let chunks = sampler.vocab_size.div_ceil(CHUNK);
        let candidates = self.device.scratch(chunks * 4)?;
        let selection = self.selection()?;
        let vocab_size = sampler.vocab_size as u32;
        let repeated = true;

        // Each stage first evaluates what the one before it has counted.
        let mut previous = LARGEST;
        let mut stages = Vec::new();
        if rules.top_k > 0 {
            stages.extend(TOP_K..TOP_P);
        } else if filtered {
            stages.push(LARGEST);
        }
        if rules.top_p > 0 {
            stages.extend(TOP_P..LARGEST);
        }
        for stage in stages {
            self.device.dispatch(Dispatch {
                kernel: Kernel::SampleSelect { width },
                variant: Variant::Plain,
                buffers: &[(0, logits.values.buffer()), (1, sampler.buffer.buffer()), (2, &selection)],
                params: &[vocab_size, previous, stage],
                workgroups: [chunks, 1, 1],
                repeated,
            })?;
            previous = stage;
        }
        let mut buffers =
            vec![(0, logits.values.buffer()), (1, sampler.buffer.buffer()), (3, &self.state), (4, candidates.buffer())];
        if filtered {
            buffers.push((2, &selection));
        }
        self.device.dispatch(Dispatch {
            kernel: Kernel::SampleDraw { filtered, width },
            variant: Variant::Plain,
            buffers: &buffers,
            params: &[vocab_size, previous],
            workgroups: [chunks, 1, 1],
            repeated,
        })?;
        let penalised = rules.penalises();
        let mut buffers = vec![(0, candidates.buffer()), (1, &self.state)];
        if penalised {
            buffers.push((2, sampler.buffer.buffer()));
        }
        if filtered {
            buffers.push((3, &selection));
        }
        self.device.dispatch(Dispatch {
            kernel: Kernel::SampleMerge { filtered, penalised, width },
            variant: Variant::Plain,
            buffers: &buffers,
            params: &words([chunks]),
            workgroups: [1, 1, 1],
            repeated,
        })?;

        self.draws.count += 1;
        self.draws.in_state = Some(self.draws.count);
        self.draws.next_position = position + 1;
        let state = self.draws.ring.slot(&self.device, STATE);
        self.device.fetch([(&self.state, 0..STATE)], &state);
        Ok(Token { number: self.draws.count, state })
    }

    pub(super) async fn drawn(&self, token: &Token) -> Result<u32> {
        match self.device.fetched(&token.state).await?[..] {
            [id, _, _, 0] => Ok(id),
            [.., bits] => Err(not_finite(f32::from_bits(bits))),
            [] => Err(Error::DeviceLost("a token was read back as nothing; reload the model to go on".to_owned())),
        }
    }

    pub(super) fn end_of_work(&mut self) -> Fence {
        let slot = self.draws.ring.slot(&self.device, STATE);
        self.device.fetch([(&self.state, 0..STATE)], &slot);
        Fence(slot)
    }

    fn selection(&mut self) -> Result<Buffer> {
        if let Some(selection) = &self.draws.selection {
            return Ok(selection.clone());
        }
        // WebGPU zeroes what it gives out.
        let selection = self.device.storage(SELECTION * 4, "the sampler's histograms")?;
        Ok(self.draws.selection.insert(selection).clone())
    }
}
