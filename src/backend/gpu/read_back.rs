//! From the device to the host: copies into buffers that can be mapped, and waiting for them.

use super::device::{Buffer, Device};
use crate::{Error, Result};
use std::{
    cell::{Cell, RefCell},
    ops::Range,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

/// A buffer that the host can read, and what is on its way into it.
pub(super) struct ReadBack {
    buffer: wgpu::Buffer,
    /// Whether the buffer is mapped or about to be.
    mapping: Cell<bool>,
    mapped: RefCell<Signal>,
    submission: RefCell<Option<wgpu::SubmissionIndex>>,
}

/// A few buffers that are used again and again, so that nothing is made for each token. A slot is free when nobody else
/// holds it.
#[derive(Default)]
pub(super) struct Ring(Vec<Rc<ReadBack>>);

impl Ring {
    /// A free slot of `words` words. Free ones of other sizes are given back.
    pub fn slot(&mut self, device: &Device, words: usize) -> Rc<ReadBack> {
        let is_free = |slot: &Rc<ReadBack>| Rc::strong_count(slot) == 1;
        self.0.retain(|slot| !is_free(slot) || slot.buffer.size() == words as u64 * 4);
        if let Some(free) = self.0.iter().find(|slot| is_free(slot)) {
            return free.clone();
        }
        let slot = Rc::new(device.read_back(words));
        self.0.push(slot.clone());
        slot
    }
}

impl Device {
    pub fn read_back(&self, words: usize) -> ReadBack {
        ReadBack {
            buffer: self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read back"),
                size: words as u64 * 4,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            mapping: Cell::new(false),
            mapped: RefCell::default(),
            submission: RefCell::default(),
        }
    }

    /// Copies words of some buffers, one after the other, as many together as `to` has, and submits everything recorded. What `to`
    /// held is lost. In a rehearsal nothing comes.
    pub fn fetch<'a>(&mut self, parts: impl IntoIterator<Item = (&'a Buffer, Range<usize>)>, to: &ReadBack) {
        if self.rehearses() {
            return;
        }
        if to.mapping.get() {
            to.buffer.unmap();
        }
        let mut end = 0;
        for (buffer, words) in parts {
            let bytes = words.len() as u64 * 4;
            self.encoder().copy_buffer_to_buffer(&buffer.0.1, words.start as u64 * 4, &to.buffer, end, bytes);
            end += bytes;
        }
        debug_assert_eq!(end, to.buffer.size());
        self.submit();
        let mapped = Signal::default();
        let done = mapped.clone();
        to.buffer.map_async(wgpu::MapMode::Read, .., move |result| done.set(result.is_ok()));
        to.mapping.set(true);
        to.mapped.replace(mapped);
        to.submission.replace(self.submission.clone());
    }

    /// Waits for what was fetched last. It can be had again until the next fetch.
    ///
    /// # Errors
    /// What the device reported since the last check.
    pub async fn fetched(&self, from: &ReadBack) -> Result<Vec<u32>> {
        // Natively somebody has to drive the device; in a browser the event loop does. Later submissions are not waited for.
        #[cfg(not(target_arch = "wasm32"))]
        {
            let submission_index = from.submission.borrow().clone();
            let wait = wgpu::PollType::Wait { submission_index, timeout: None };
            let waited = self.device.poll(wait);
            // What the device itself has said tells more than that there is nothing to wait for.
            self.check()?;
            waited.map_err(|error| Error::DeviceLost(error.to_string()))?;
        }
        let mapped = from.mapped.borrow().clone();
        let mapped = mapped.wait().await;
        self.check()?;
        if !mapped {
            return Err(Error::DeviceLost("results could not be read back; reload the model to go on".to_owned()));
        }
        let view = from.buffer.get_mapped_range(..).map_err(|error| Error::DeviceLost(error.to_string()))?;
        Ok(view.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    }

    /// Submits everything recorded and waits for the first `words` words of a buffer.
    ///
    /// # Errors
    /// What the device reported since the last check.
    pub async fn read(&mut self, buffer: &Buffer, words: usize) -> Result<Vec<u32>> {
        let staging = self.read_back(words);
        self.fetch([(buffer, 0..words)], &staging);
        let words = self.fetched(&staging).await;
        staging.buffer.destroy();
        words
    }
}

/// A value that comes once, from a callback.
#[derive(Clone, Default)]
struct Signal(Arc<Mutex<(Option<bool>, Option<Waker>)>>);

impl Signal {
    fn set(&self, value: bool) {
        let mut state = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.0 = Some(value);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    async fn wait(&self) -> bool {
        std::future::poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match state.0 {
                Some(value) => Poll::Ready(value),
                None => {
                    state.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
