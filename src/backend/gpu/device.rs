//! The device: finding it, its buffers and pipelines, recording dispatches, and waiting for values.

use super::{
    kernels::{Kernel, Variant},
    measure::Counters,
};
use crate::{Error, Result};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex},
};
use wgpu::util::DeviceExt;

/// The first failure that the device reported on its own; later ones follow from it.
type Failure = Arc<Mutex<Option<Error>>>;
pub(super) type Pool = Rc<RefCell<HashMap<u64, Vec<Buffer>>>>;

/// A buffer with a number: in a browser each clone of wgpu's own handle costs two calls into JavaScript. Beside it is its
/// size in bytes, which in a rehearsal is that of the buffer that it stands for.
#[derive(Clone)]
pub struct Buffer(pub(super) Rc<(usize, wgpu::Buffer)>, u64);

impl Buffer {
    /// Frees it, whoever holds it still.
    pub fn destroy(&self) {
        self.0.1.destroy();
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.1
    }
}

/// One kernel's run, ready to be recorded.
pub(super) struct Dispatch<'a> {
    pub kernel: Kernel,
    pub variant: Variant,
    /// (binding, buffer)
    pub buffers: &'a [(u32, &'a Buffer)],
    /// What binding 9, the uniform `params`, holds.
    pub params: &'a [u32],
    pub workgroups: [usize; 3],
    /// Whether the very same run comes again for the next token; its bind group is then kept.
    pub repeated: bool,
}

const STORAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_DST).union(wgpu::BufferUsages::COPY_SRC);
const PARAMS: u32 = 9;
/// Bind groups that are kept. One conversation needs a dozen a layer; more are of conversations that are gone.
const MOST_GROUPS: usize = 4096;

#[derive(PartialEq, Eq, Hash)]
struct GroupKey {
    kernel: Kernel,
    variant: Variant,
    buffers: Vec<usize>,
    params: Vec<u32>,
}

/// Commands that are not submitted yet. The open pass comes first, since it must be closed first.
#[derive(Default)]
struct Recording {
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
}

/// A WebGPU device and the commands recorded for it.
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    queue: wgpu::Queue,
    recording: Recording,
    /// Of the last commands submitted.
    pub(super) submission: Option<wgpu::SubmissionIndex>,
    pipelines: HashMap<(Kernel, Variant), Rc<wgpu::ComputePipeline>>,
    groups: HashMap<GroupKey, Rc<wgpu::BindGroup>>,
    pub(super) pool: Pool,
    /// What every buffer is while a rehearsal is under way.
    stand_in: Option<Rc<(usize, wgpu::Buffer)>>,
    buffers_made: Cell<usize>,
    failure: Failure,
    pub name: String,
    /// Whether a processor plays the GPU.
    pub software: bool,
    /// The least invocations that a subgroup has, where the device has subgroup operations.
    pub subgroup_size: Option<u32>,
    /// Whether shaders may have f16 values.
    pub shader_f16: bool,
    /// Bytes that one binding may have. Tests lower it to see matrices split.
    pub binding_limit: u64,
    pub counters: Counters,
    /// The only kernel that is recorded, if not all are.
    pub only: Option<String>,
}

/// A buffer of intermediate results. Dropped, it is used again: commands run in order, so whoever writes it next does so
/// after everything that still reads it.
pub(super) struct Scratch {
    buffer: Option<Buffer>,
    pool: Pool,
}

impl Scratch {
    pub fn buffer(&self) -> &Buffer {
        self.buffer.as_ref().expect("a scratch buffer is there until it is dropped")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.pool.borrow_mut().entry(buffer.size()).or_default().push(buffer);
        }
    }
}

impl Device {
    pub async fn open() -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        // wgpu's own message lists the graphics systems that were not compiled in, which helps nobody.
        let adapter = instance.request_adapter(&options).await.map_err(|_| {
            Error::NoWebGpu("no adapter was found; there is no GPU driver, or the browser keeps WebGPU off".to_owned())
        })?;
        let info = adapter.get_info();
        let software = info.device_type == wgpu::DeviceType::Cpu;
        // WebGPU's default limits suffice; larger pieces, where the adapter has room for them, split fewer matrices.
        let offered = adapter.limits();
        let required_limits = wgpu::Limits {
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..Default::default()
        };
        let required_features = adapter.features() & (wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16);
        let descriptor =
            wgpu::DeviceDescriptor { label: Some("plume"), required_features, required_limits, ..Default::default() };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::NoWebGpu(format!("{} gives no device: {error}", info.name)))?;
        let failure = Failure::default();
        let slot = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            let error = match error {
                wgpu::Error::OutOfMemory { .. } => Error::OutOfDeviceMemory("the device could not allocate".to_owned()),
                other => Error::DeviceLost(format!("the device reported: {other}")),
            };
            slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
        }));
        let slot = failure.clone();
        device.set_device_lost_callback(move |_, message| {
            let error = Error::DeviceLost(format!("{}; reload the model to go on", message.trim_end_matches('.')));
            slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
        });
        // Browsers may keep the adapter's name to themselves.
        let described = [&info.name, &info.driver].into_iter().find(|text| !text.is_empty()).cloned();
        let limits = device.limits();
        let binding_limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        Ok(Self {
            name: format!("WebGPU: {}", described.unwrap_or_else(|| "unnamed adapter".to_owned())),
            device,
            queue,
            recording: Recording::default(),
            submission: None,
            pipelines: HashMap::new(),
            groups: HashMap::new(),
            pool: Pool::default(),
            stand_in: None,
            buffers_made: Cell::new(0),
            failure,
            software,
            // In a browser wgpu does not know of this feature: whether the page has asked for it is the page's to say.
            subgroup_size: (cfg!(target_arch = "wasm32") || required_features.contains(wgpu::Features::SUBGROUP))
                .then_some(info.subgroup_min_size)
                .filter(|size| size.is_power_of_two()),
            shader_f16: required_features.contains(wgpu::Features::SHADER_F16),
            binding_limit,
            counters: Counters::default(),
            only: None,
        })
    }

    /// The first failure that the device has reported.
    ///
    /// # Errors
    /// That failure.
    pub fn check(&self) -> Result<()> {
        match &*self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Goes on as if the device had reported no failure.
    pub fn forget_failure(&self) {
        *self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }

    /// A buffer that stays: weights, the cache.
    ///
    /// # Errors
    /// [`Error::OutOfDeviceMemory`] where it would exceed the binding limit, or what the device has reported before. That
    /// the device cannot allocate it is only reported later.
    pub fn storage(&self, bytes: u64, what: &str) -> Result<Buffer> {
        if bytes > self.binding_limit {
            return Err(Error::OutOfDeviceMemory(format!(
                "{what} takes {bytes} bytes in one piece; this device allows {}",
                self.binding_limit
            )));
        }
        self.check()?;
        let size = bytes.max(16).next_multiple_of(4);
        if let Some(stand_in) = &self.stand_in {
            return Ok(Buffer(stand_in.clone(), size));
        }
        Ok(self.number(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size,
            usage: STORAGE | wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::INDIRECT,
            mapped_at_creation: false,
        })))
    }

    fn number(&self, buffer: wgpu::Buffer) -> Buffer {
        self.buffers_made.set(self.buffers_made.get() + 1);
        let size = buffer.size();
        Buffer(Rc::new((self.buffers_made.get(), buffer)), size)
    }

    /// From now on pipelines are made and nothing else: buffers are stand-ins, nothing is recorded or written.
    ///
    /// # Errors
    /// As [`Device::storage`].
    pub fn begin_rehearsal(&mut self) -> Result<()> {
        self.stand_in = Some(self.storage(16, "the stand-in")?.0);
        Ok(())
    }

    pub fn end_rehearsal(&mut self) {
        self.stand_in = None;
    }

    pub fn rehearses(&self) -> bool {
        self.stand_in.is_some()
    }

    /// How many pipelines there are.
    pub fn pipelines(&self) -> usize {
        self.pipelines.len()
    }

    /// A buffer for intermediate values, at least [values] words; its content is undefined. Sizes are rounded up to powers
    /// of two, so that prompts of every length use the same few buffers.
    ///
    /// # Errors
    /// As [`Device::storage`].
    pub fn scratch(&self, values: usize) -> Result<Scratch> {
        let needed = (values as u64 * 4).max(128);
        let bytes = needed.next_power_of_two();
        let bytes = if bytes > self.binding_limit { needed } else { bytes };
        let used = self.pool.borrow_mut().get_mut(&bytes).and_then(Vec::pop);
        let buffer = match used {
            Some(buffer) => buffer,
            None => self.storage(bytes, "an intermediate result")?,
        };
        Ok(Scratch { buffer: Some(buffer), pool: self.pool.clone() })
    }

    /// Writes words into a buffer. Commands that are recorded come before it, so they are submitted first.
    pub fn write(&mut self, buffer: &Buffer, word: u64, words: &[u32]) {
        if self.rehearses() {
            return;
        }
        self.submit();
        self.queue.write_buffer(&buffer.0.1, word * 4, bytemuck::cast_slice(words));
    }

    /// A new storage buffer with this content.
    pub fn words(&self, words: &[u32]) -> Buffer {
        if let Some(stand_in) = &self.stand_in {
            return Buffer(stand_in.clone(), words.len() as u64 * 4);
        }
        self.number(self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(words),
            usage: STORAGE,
        }))
    }

    /// The encoder, with no pass open.
    pub(super) fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.recording.pass = None;
        let device = &self.device;
        self.recording.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()))
    }

    fn pass(&mut self) -> &mut wgpu::ComputePass<'static> {
        let device = &self.device;
        let Recording { pass, encoder } = &mut self.recording;
        pass.get_or_insert_with(|| {
            let encoder = encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
            encoder.begin_compute_pass(&Default::default()).forget_lifetime()
        })
    }

    /// Hands everything recorded to the device.
    pub fn submit(&mut self) {
        self.recording.pass = None;
        if let Some(encoder) = self.recording.encoder.take() {
            self.submission = Some(self.queue.submit([encoder.finish()]));
        }
    }

    /// Submits everything recorded and waits for it; see [`super::GpuBackend::run_timed`].
    ///
    /// # Errors
    /// What the device reported since the last check.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_timed(&mut self) -> Result<std::time::Duration> {
        self.recording.pass = None;
        let commands = self.recording.encoder.take().map(wgpu::CommandEncoder::finish);
        let started = std::time::Instant::now();
        self.queue.submit(commands);
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| Error::DeviceLost(error.to_string()))?;
        let elapsed = started.elapsed();
        self.check()?;
        Ok(elapsed)
    }

    fn pipeline(&mut self, kernel: Kernel, variant: Variant) -> Rc<wgpu::ComputePipeline> {
        let device = &self.device;
        let create = || {
            let label = format!("{kernel:?} {variant:?}");
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(&label),
                source: wgpu::ShaderSource::Wgsl(kernel.source(variant).into()),
            });
            Rc::new(device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            }))
        };
        self.pipelines.entry((kernel, variant)).or_insert_with(create).clone()
    }

    /// Records one kernel; in a rehearsal only its pipeline is made.
    ///
    /// # Errors
    /// [`Error::OutOfDeviceMemory`] where it would take more workgroups than WebGPU allows.
    pub fn dispatch(&mut self, dispatch: Dispatch) -> Result<()> {
        self.record(dispatch, None)
    }

    /// Records one kernel whose workgroups another kernel will have written to a buffer, from this word on; the dispatch's
    /// own are the most that it may write.
    ///
    /// # Errors
    /// As [`Device::dispatch`].
    pub fn dispatch_indirect(&mut self, dispatch: Dispatch, arguments: &Buffer, word: u64) -> Result<()> {
        self.record(dispatch, Some((arguments, word)))
    }

    fn record(&mut self, dispatch: Dispatch, indirect: Option<(&Buffer, u64)>) -> Result<()> {
        const MOST: usize = 65535;
        let Dispatch { kernel, variant, buffers, params, workgroups, repeated } = dispatch;
        if workgroups.iter().any(|count| *count > MOST) {
            return Err(Error::OutOfDeviceMemory(format!(
                "{kernel:?} would take {workgroups:?} workgroups; {MOST} are allowed"
            )));
        }
        if self.only.as_ref().is_some_and(|only| !format!("{kernel:?}").starts_with(only)) {
            return Ok(());
        }
        let pipeline = self.pipeline(kernel, variant);
        if self.rehearses() {
            return Ok(());
        }
        // Where only some kernels are recorded nobody has written the arguments.
        let indirect = indirect.filter(|_| self.only.is_none());
        self.counters.dispatches += 1;
        let key = GroupKey {
            kernel,
            variant,
            buffers: buffers.iter().map(|(_, buffer)| buffer.0.0).collect(),
            params: params.to_vec(),
        };
        let group = match self.groups.get(&key) {
            Some(group) => group.clone(),
            None => {
                let group = Rc::new(self.bind_group(&pipeline, buffers, params));
                if repeated {
                    if self.groups.len() >= MOST_GROUPS {
                        self.groups.clear();
                    }
                    self.groups.insert(key, group.clone());
                }
                group
            }
        };
        let pass = self.pass();
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &*group, &[]);
        match indirect {
            Some((arguments, word)) => pass.dispatch_workgroups_indirect(&arguments.0.1, word * 4),
            None => pass.dispatch_workgroups(workgroups[0] as u32, workgroups[1] as u32, workgroups[2] as u32),
        }
        Ok(())
    }

    fn bind_group(
        &self,
        pipeline: &wgpu::ComputePipeline,
        buffers: &[(u32, &Buffer)],
        params: &[u32],
    ) -> wgpu::BindGroup {
        let mut padded = params.to_vec();
        padded.resize(params.len().next_multiple_of(4), 0);
        let params = self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(&padded),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, buffer)| (*binding, &buffer.0.1))
            .chain([(PARAMS, &params)])
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }

    /// Records a copy of `words` words, between (buffer, first word).
    pub fn copy(&mut self, (from, from_word): (&Buffer, usize), (to, to_word): (&Buffer, usize), words: usize) {
        if self.rehearses() {
            return;
        }
        let bytes = |words: usize| words as u64 * 4;
        self.encoder().copy_buffer_to_buffer(&from.0.1, bytes(from_word), &to.0.1, bytes(to_word), bytes(words));
    }
}

impl Drop for Device {
    /// Gives all memory back at once; JavaScript's garbage collector knows nothing of it.
    fn drop(&mut self) {
        self.device.destroy();
    }
}
