//! A loaded model, as JavaScript holds it.

use super::{
    connection::Connection,
    constraint::JsConstraint,
    error::to_js,
    host::{Host, LoadHost},
    open::open,
    store::Store,
};
#[cfg(feature = "cpu")]
use crate::backend::cpu::{CpuBackend, InstructionSet};
#[cfg(feature = "gpu")]
use crate::backend::gpu::GpuBackend;
use crate::{
    Error, Result,
    backend::Backend,
    engine::{Constraint, Engine, Generation, LoadOptions, Message, Request, Step},
    weights::{LoadListener, LoadProgress},
};
use js_sys::{Array, Float64Array, Reflect};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, rc::Rc};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use web_sys::AbortSignal;

/// An engine and the replies in the making, by number.
struct Loaded<B: Backend> {
    engine: Engine<B>,
    replies: HashMap<u32, Generation<B>>,
}

enum AnyLoaded {
    #[cfg(feature = "cpu")]
    Cpu(Box<Loaded<CpuBackend>>),
    #[cfg(feature = "gpu")]
    Gpu(Box<Loaded<GpuBackend>>),
}

/// Runs the same expression on whichever there is.
macro_rules! on {
    ($any:expr, $loaded:ident => $expression:expr) => {
        match $any {
            #[cfg(feature = "cpu")]
            AnyLoaded::Cpu($loaded) => $expression,
            #[cfg(feature = "gpu")]
            AnyLoaded::Gpu($loaded) => $expression,
        }
    };
}

impl<B: Backend> Loaded<B> {
    fn new(engine: Engine<B>) -> Self {
        Self { engine, replies: HashMap::new() }
    }

    fn begin(&mut self, reply: u32, request: &Request, constraint: Option<JsConstraint>) -> Result<()> {
        let constraint = constraint.map(|constraint| -> Box<dyn Constraint> { Box::new(constraint) });
        self.replies.insert(reply, self.engine.begin_constrained(request, constraint)?);
        Ok(())
    }

    async fn step(&mut self, reply: u32, tells: bool, rivals: Option<usize>) -> Result<Step> {
        match self.replies.get_mut(&reply) {
            Some(generation) => {
                if tells {
                    generation.tell(rivals)?;
                }
                self.engine.step(generation).await
            }
            None => Err(Error::InvalidRequest("no reply is under way".to_owned())),
        }
    }
}

/// A loaded model and the replies in the making. They share one cache: each step finds out how much of it is still its own.
#[wasm_bindgen]
pub struct PlumeEngine {
    loaded: AnyLoaded,
    next_reply: u32,
}

/// How a model is loaded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choices {
    /// "gpu" or "cpu", whichever this core is for.
    device: String,
    /// How many threads there are for the CPU.
    threads: usize,
    /// Whether the GPU has been asked for subgroup operations.
    subgroups: bool,
    /// "auto"; "wide" or "narrow" for tests.
    kernels: String,
    /// Without one, the default.
    context_length: Option<usize>,
    /// How the first conversation begins.
    #[serde(default)]
    messages: Vec<Message>,
    /// Seconds for which requests are made again while no byte comes.
    patience: f64,
    /// The URL of the hub that knows models by name, and what it is shown.
    hub: String,
    token: Option<String>,
    /// Of the one file of a URL, in hexadecimal digits.
    sha256: Option<String>,
}

/// Loads a model, in any of the forms that [`open`] knows. `choices` has the fields of `Choices`.
#[wasm_bindgen(js_name = loadEngine)]
pub async fn load_engine(
    model: JsValue,
    choices: JsValue,
    host: LoadHost,
    signal: Option<AbortSignal>,
    store: Option<Store>,
) -> std::result::Result<PlumeEngine, JsValue> {
    let choices = serde_wasm_bindgen::from_value(choices)
        .map_err(|error| to_js(&Error::InvalidRequest(format!("options: {error}"))))?;
    load(model, choices, host, signal, store).await.map_err(|error| to_js(&error))
}

async fn load(
    model: JsValue,
    choices: Choices,
    host: LoadHost,
    signal: Option<AbortSignal>,
    store: Option<Store>,
) -> Result<PlumeEngine> {
    let Choices { device, threads, subgroups, kernels, context_length, messages, patience, hub, token, sha256 } =
        choices;
    let hub = hub.trim_end_matches('/').to_owned();
    let patience = patience * 1000.0;
    let sha256 = sha256.map(|digits| digits.to_ascii_lowercase());
    let (held, opened) = (Rc::default(), Rc::default());
    let connection = Connection { signal, patience, hub, token, sha256, store, host: Host::new(host), held, opened };
    let device = Device { name: device, threads, subgroups, kernels };
    let options = LoadOptions { context_length, messages };
    let loaded = load_from(model, &connection, device, options).await;
    // Taken in any case: files have the connection, which has the files.
    for file in connection.opened.take() {
        if loaded.as_ref().err().is_some_and(Error::is_of_content) {
            // A byte that came wrong must not come from the store again.
            file.forget().await;
        }
    }
    loaded
}

/// What the model is to run on.
#[cfg_attr(not(all(feature = "cpu", feature = "gpu")), expect(dead_code))]
struct Device {
    name: String,
    threads: usize,
    subgroups: bool,
    kernels: String,
}

async fn load_from(
    model: JsValue,
    connection: &Connection,
    device: Device,
    options: LoadOptions,
) -> Result<PlumeEngine> {
    let mut listener = Listener(connection);
    let loaded = match device.name.as_str() {
        #[cfg(feature = "gpu")]
        "gpu" => {
            // Before anything is downloaded: without a GPU another core will.
            let mut backend = match webgpu_is_there() {
                true => GpuBackend::new().await?,
                false => {
                    return Err(Error::NoWebGpu("this browser or runtime has no navigator.gpu".to_owned()));
                }
            };
            backend.set_subgroups(device.subgroups);
            match device.kernels.as_str() {
                "wide" => backend.set_narrow(false),
                "narrow" => backend.set_narrow(true),
                _ => (),
            }
            let checkpoint = open(model, connection).await?;
            let engine = Engine::load(backend, checkpoint, options, &mut listener).await?;
            AnyLoaded::Gpu(Box::new(Loaded::new(engine)))
        }
        #[cfg(feature = "cpu")]
        "cpu" => {
            let backend = CpuBackend::with(InstructionSet::best(), super::threads::pool(device.threads));
            let checkpoint = open(model, connection).await?;
            let engine = Engine::load(backend, checkpoint, options, &mut listener).await?;
            AnyLoaded::Cpu(Box::new(Loaded::new(engine)))
        }
        other => return Err(Error::InvalidRequest(format!("this core cannot run on the device {other:?}"))),
    };
    Ok(PlumeEngine { loaded, next_reply: 0 })
}

/// Tells JavaScript how far a load has come.
struct Listener<'a>(&'a Connection);

impl<B: Backend> LoadListener<B> for Listener<'_> {
    fn progress(&mut self, progress: LoadProgress) {
        self.0.host.progress(progress);
    }

    fn is_cancelled(&self) -> bool {
        self.0.signal.as_ref().is_some_and(AbortSignal::aborted)
    }
}

/// wgpu panics where a global object that it knows, or `navigator`, is missing, as in Node without the package `webgpu`.
#[cfg(feature = "gpu")]
fn webgpu_is_there() -> bool {
    let global = js_sys::global();
    let field = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let navigator = field(&global, "navigator");
    let known = ["Window", "WorkerGlobalScope"].iter().any(|name| !field(&global, name).is_undefined());
    known && navigator.is_object() && field(&navigator, "gpu").is_object()
}

#[wasm_bindgen]
impl PlumeEngine {
    /// Starts a reply to a request in the fields of `Request`, which keeps to a constraint if there is one, and gives its number.
    pub fn begin(&mut self, request: JsValue, constraint: Option<JsConstraint>) -> std::result::Result<u32, JsValue> {
        let request: Request = serde_wasm_bindgen::from_value(request)
            .map_err(|error| to_js(&Error::InvalidRequest(error.to_string())))?;
        let reply = self.next_reply.wrapping_add(1);
        on!(&mut self.loaded, loaded => loaded.begin(reply, &request, constraint)).map_err(|error| to_js(&error))?;
        self.next_reply = reply;
        Ok(self.next_reply)
    }

    /// For each token a word with the number of its bytes, the highest bit set where it is a control token, and its bytes.
    pub fn vocabulary(&self) -> Vec<u8> {
        on!(&self.loaded, loaded => loaded.engine.vocabulary())
    }

    /// The token that ends a reply, if there is one.
    #[wasm_bindgen(js_name = stopToken)]
    pub fn stop_token(&self) -> Option<u32> {
        on!(&self.loaded, loaded => loaded.engine.stop_token())
    }

    /// Opens a session, and gives its number.
    #[wasm_bindgen(js_name = openSession)]
    pub async fn open_session(&mut self) -> std::result::Result<u32, JsValue> {
        let session = on!(&mut self.loaded, loaded => loaded.engine.open_session().await);
        session.map(|number| number as u32).map_err(|error| to_js(&error))
    }

    /// Frees a session.
    #[wasm_bindgen(js_name = closeSession)]
    pub fn close_session(&mut self, number: u32) {
        on!(&mut self.loaded, loaded => loaded.engine.close_session(number as usize));
    }

    /// The head of a saved session.
    #[wasm_bindgen(js_name = sessionHead)]
    pub fn session_head(&self, number: u32) -> std::result::Result<Vec<u8>, JsValue> {
        on!(&self.loaded, loaded => loaded.engine.session_head(number as usize)).map_err(|error| to_js(&error))
    }

    /// A layer of a saved session.
    #[wasm_bindgen(js_name = sessionLayer)]
    pub async fn session_layer(&mut self, number: u32, layer: usize) -> std::result::Result<Vec<u8>, JsValue> {
        on!(&mut self.loaded, loaded => loaded.engine.session_layer(number as usize, layer).await)
            .map_err(|error| to_js(&error))
    }

    /// Opens a session with the head of a saved one. Gives { session, layers }, the latter being how many are wanted next.
    #[wasm_bindgen(js_name = restoreSession)]
    pub async fn restore_session(&mut self, head: Vec<u8>) -> std::result::Result<JsValue, JsValue> {
        let (number, layers) = on!(&mut self.loaded, loaded => loaded.engine.restore_session(&head).await)
            .map_err(|error| to_js(&error))?;
        object(&[("session", (number as u32).into()), ("layers", (layers as u32).into())])
    }

    /// Writes the next layer of a session that is being restored.
    #[wasm_bindgen(js_name = restoreLayer)]
    pub fn restore_layer(&mut self, number: u32, bytes: &[u8]) -> std::result::Result<(), JsValue> {
        on!(&mut self.loaded, loaded => loaded.engine.restore_layer(number as usize, bytes))
            .map_err(|error| to_js(&error))
    }

    /// Layers of the model.
    pub fn layers(&self) -> usize {
        on!(&self.loaded, loaded => loaded.engine.layers())
    }

    /// Forgets a reply.
    pub fn end(&mut self, reply: u32) {
        on!(&mut self.loaded, loaded => drop(loaded.replies.remove(&reply)));
    }

    /// The next piece of a reply: { text, logprobs, finish_reason }, where finish_reason is null but for the last piece. What a step
    /// runs that `tells` is told: pieces, this one or later ones, have { token, activity } then, with `activity` the numbers
    /// completion_tokens, skipped_bytes, cache_bytes, expanded_cache_bytes and the density of each layer; and with a number of rivals
    /// { token_logprobs }, too.
    pub async fn step(
        &mut self,
        reply: u32,
        tells: bool,
        rivals: Option<usize>,
    ) -> std::result::Result<JsValue, JsValue> {
        let Step { text, logprobs, activity, finished } =
            on!(&mut self.loaded, loaded => loaded.step(reply, tells, rivals).await).map_err(|error| to_js(&error))?;
        let mut piece = vec![
            ("text", text.into()),
            ("logprobs", to_value(&logprobs)?),
            ("finish_reason", finished.map_or(JsValue::NULL, |reason| reason.as_str().into())),
        ];
        if let Some(activity) = activity {
            let bytes = [activity.skipped_bytes, activity.cache_bytes, activity.expanded_cache_bytes];
            let mut numbers = vec![activity.completion_tokens as f64];
            numbers.extend(bytes.map(|bytes| bytes as f64));
            numbers.extend(activity.density.iter().map(|share| f64::from(*share)));
            // One array for all: it is made for every token.
            piece.push(("activity", Float64Array::from(&numbers[..]).into()));
            piece.push(("token", activity.token.into()));
            if let Some(logprobs) = &activity.logprobs {
                piece.push(("token_logprobs", to_value(logprobs)?));
            }
        }
        object(&piece)
    }

    /// The tokens of a reply so far, in OpenAI's fields, and those processed.
    pub fn usage(&self, reply: u32) -> std::result::Result<JsValue, JsValue> {
        let usage = on!(&self.loaded, loaded => loaded.replies.get(&reply).map(Generation::usage)).unwrap_or_default();
        to_value(&usage)
    }

    /// { backend, adapter, weight_bytes, cache_bytes, expanded_cache_bytes, context_length, memory_bytes, density }.
    pub async fn stats(&mut self) -> std::result::Result<JsValue, JsValue> {
        let density = on!(&mut self.loaded, loaded => loaded.engine.density().await).map_err(|error| to_js(&error))?;
        let density: Array = density.into_iter().map(|share| JsValue::from(f64::from(share))).collect();
        let backend = match self.loaded {
            #[cfg(feature = "cpu")]
            AnyLoaded::Cpu(_) => "cpu",
            #[cfg(feature = "gpu")]
            AnyLoaded::Gpu(_) => "gpu",
        };
        object(&[
            ("backend", backend.into()),
            ("adapter", on!(&self.loaded, loaded => loaded.engine.backend_name()).into()),
            ("weight_bytes", number(on!(&self.loaded, loaded => loaded.engine.weight_bytes()))),
            ("cache_bytes", number(on!(&self.loaded, loaded => loaded.engine.cache_bytes()))),
            ("expanded_cache_bytes", number(on!(&self.loaded, loaded => loaded.engine.expanded_cache_bytes()))),
            ("context_length", number(on!(&self.loaded, loaded => loaded.engine.context_length()) as u64)),
            ("memory_bytes", number(core::arch::wasm32::memory_size(0) as u64 * 65536)),
            ("density", density.into()),
        ])
    }
}

/// As JavaScript counts.
fn number(count: u64) -> JsValue {
    (count as f64).into()
}

fn to_value(value: &impl Serialize) -> std::result::Result<JsValue, JsValue> {
    serde_wasm_bindgen::to_value(value).map_err(JsValue::from)
}

fn object(fields: &[(&str, JsValue)]) -> std::result::Result<JsValue, JsValue> {
    let object = js_sys::Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object.into())
}
