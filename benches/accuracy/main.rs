//! `npm run bench -- accuracy`: how far the GPU's next-token distributions are from float32's on the same decoded weights, on
//! held-out text, for every format and every choice of kernels. benches/README.md says what each column means.

#[path = "../../tests/measures/mod.rs"]
mod measures;

use measures::{Perplexity, divergence, relative_error};
use plume::{
    Result,
    backend::{Backend, Tokens, gpu::GpuBackend, reference::ReferenceBackend},
    format::Checkpoint,
    model::{Weights, forward, forward_all},
    source::{Directory, FileSource},
    tokenizer::Tokenizer,
    weights::load_weights,
};
use pollster::block_on;
use serde::Serialize;
use std::{error::Error, path::Path, rc::Rc};

const FORMATS: [&str; 5] = ["BF16", "F16", "Q8_0", "Q4_0", "Q4_K_M"];
/// By name, whether they are narrow, and whether they use subgroup operations and f16.
const KERNELS: [(&str, bool, bool, bool); 4] = [
    ("narrow", true, false, false),
    ("wide", false, false, false),
    ("wide, subgroups", false, true, false),
    ("wide, f16", false, false, true),
];
/// As in training; past so many tokens plm-tiny is lost. held_out.py cuts the text alike.
const WINDOW: usize = 320;
/// Tokens of one pass. It does not divide a window, so that the last pass of each is of another length.
const CHUNK: usize = 128;
/// What is read of the text where a processor plays the GPU, which takes minutes for that.
const SOFTWARE_TOKENS: usize = WINDOW;
const USAGE: &str = "options: [--json FILE] [--formats Q8_0,Q4_0,...] [--tokens N] [--decoded N] [--window N]";

/// One line of the results.
#[derive(Serialize)]
struct Row {
    format: String,
    kernels: &'static str,
    #[serde(flatten)]
    comparison: Comparison,
}

/// How far a backend's next-token distributions are from the reference's.
#[derive(Default, Serialize)]
struct Comparison {
    /// Distributions that were compared: those after every token in passes of many, and after the first `decoded` tokens once
    /// more, one token a pass.
    positions: usize,
    decoded: usize,
    /// KL(reference || found), in nats.
    kl_mean: f64,
    kl_max: f64,
    /// Of a position's logits, as vectors.
    relative_error_max: f64,
    /// The fraction of positions at which both find the same token likeliest.
    same_argmax: f64,
    /// Of the text, from passes of many tokens.
    perplexity: f64,
    reference_perplexity: f64,
}

/// What was asked for on the command line.
struct Arguments {
    json: Option<String>,
    formats: Vec<String>,
    /// Of the text; all of it, or SOFTWARE_TOKENS, with `None`.
    tokens: Option<usize>,
    decoded: usize,
    window: usize,
}

impl Arguments {
    fn read() -> std::result::Result<Self, Box<dyn Error>> {
        let mut read = Self {
            json: None,
            formats: FORMATS.map(str::to_owned).to_vec(),
            tokens: None,
            decoded: 128,
            window: WINDOW,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value; {USAGE}"));
            match name.as_str() {
                // Cargo gives it to every bench.
                "--bench" => {}
                "--json" => read.json = Some(value()?),
                "--formats" => read.formats = value()?.split(',').map(str::to_owned).collect(),
                "--tokens" => read.tokens = Some(value()?.parse()?),
                "--window" => read.window = value()?.parse()?,
                "--decoded" => read.decoded = value()?.parse()?,
                _ => return Err(format!("{name} is not known; {USAGE}").into()),
            }
        }
        if let Some(name) = read.formats.iter().find(|name| !FORMATS.contains(&name.as_str())) {
            return Err(format!("no file of plm-tiny is called {name}; there are {}", FORMATS.join(", ")).into());
        }
        if read.tokens.is_some_and(|tokens| tokens < 2) || read.window < 2 {
            return Err(format!("one token has no next one; {USAGE}").into());
        }
        Ok(read)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// plm-tiny as a folder of safetensors (BF16) or as a GGUF.
fn plm_tiny(format: &str) -> Result<Checkpoint> {
    if format == "BF16" {
        return block_on(Checkpoint::open_folder(&Directory::new(root().join("www/models/plm-tiny"))));
    }
    let path = root().join(format!("tests/data/plm-tiny-{format}.gguf"));
    block_on(Checkpoint::open_gguf(Rc::new(FileSource::open(path)?)))
}

/// What is read.
struct Text {
    ids: Vec<u32>,
    /// Tokens that are read from an empty cache.
    window: usize,
    /// Tokens that are read once more, one a pass.
    decoded: usize,
}

impl Text {
    /// The token that comes after one, where a window has both.
    fn next(&self, index: usize) -> Option<u32> {
        self.ids.get(index + 1).filter(|_| !(index + 1).is_multiple_of(self.window)).copied()
    }
}

/// A loaded model.
struct Reader<'a, B: Backend> {
    backend: B,
    checkpoint: &'a Checkpoint,
    weights: Weights<B>,
}

impl<'a, B: Backend> Reader<'a, B> {
    fn new(mut backend: B, checkpoint: &'a Checkpoint) -> Result<Self> {
        let weights = block_on(load_weights(&mut backend, checkpoint, &mut ()))?;
        Ok(Self { backend, checkpoint, weights })
    }

    /// Reads the first tokens of a text, window by window, `chunk` tokens a pass, and shows each one's index with the logits
    /// that follow it.
    fn read(&mut self, text: &Text, tokens: usize, chunk: usize, mut show: impl FnMut(usize, &[f32])) -> Result<()> {
        let config = &self.checkpoint.config;
        let (backend, weights) = (&mut self.backend, &self.weights);
        for (index, window) in text.ids[..tokens].chunks(text.window).enumerate() {
            let start = index * text.window;
            let mut cache = backend.create_cache(config, window.len())?;
            for (index, part) in window.chunks(chunk).enumerate() {
                let (tokens, position) = (Tokens::Known(part), index * chunk);
                let logits = match part.len() {
                    1 => forward(backend, config, weights, &mut cache, tokens, position)?,
                    _ => forward_all(backend, config, weights, &mut cache, tokens, position)?,
                };
                let logits = block_on(backend.read(&logits))?;
                for (token, logits) in logits.chunks_exact(config.vocab_size).enumerate() {
                    show(start + position + token, logits);
                }
            }
        }
        Ok(())
    }
}

/// What float32 gives on the decoded weights.
struct Reference {
    /// [tokens][vocab_size]
    logits: Vec<Vec<f32>>,
    perplexity: f64,
}

impl Reference {
    fn new(checkpoint: &Checkpoint, text: &Text) -> Result<Self> {
        let (mut logits, mut perplexity) = (Vec::new(), Perplexity::default());
        let mut reader = Reader::new(ReferenceBackend::with_f32_cache(), checkpoint)?;
        reader.read(text, text.ids.len(), text.window, |index, row| {
            logits.push(row.to_vec());
            text.next(index).inspect(|next| perplexity.push(row, *next));
        })?;
        Ok(Self { logits, perplexity: perplexity.value() })
    }

    /// Lets a backend read the text, and compares.
    fn compare(&self, backend: impl Backend, checkpoint: &Checkpoint, text: &Text) -> Result<Comparison> {
        let mut found = Comparison { positions: text.ids.len() + text.decoded, ..Comparison::default() };
        let mut perplexity = Perplexity::default();
        let mut reader = Reader::new(backend, checkpoint)?;
        reader.read(text, text.ids.len(), CHUNK, |index, logits| {
            found.add(logits, &self.logits[index]);
            text.next(index).inspect(|next| perplexity.push(logits, *next));
        })?;
        reader.read(text, text.decoded, 1, |index, logits| found.add(logits, &self.logits[index]))?;
        let positions = found.positions as f64;
        found.kl_mean /= positions;
        found.same_argmax /= positions;
        found.decoded = text.decoded;
        found.perplexity = perplexity.value();
        found.reference_perplexity = self.perplexity;
        Ok(found)
    }
}

impl Comparison {
    /// Takes one position; `kl_mean` and `same_argmax` are sums until all are in.
    fn add(&mut self, found: &[f32], expected: &[f32]) {
        // f64::max would pass over what is not a number.
        let worst = |worst: f64, new: f64| if new <= worst { worst } else { new };
        let kl = divergence(found, expected);
        self.kl_mean += kl;
        self.kl_max = worst(self.kl_max, kl);
        self.relative_error_max = worst(self.relative_error_max, relative_error(found, expected));
        self.same_argmax += f64::from(u8::from(argmax(found) == argmax(expected)));
    }
}

/// The likeliest token.
fn argmax(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
}

/// Rows of a format: one for each choice of kernels that the adapter has, then one for the CPU backend with the GPU's cache.
fn format_rows(format: &str, arguments: &Arguments, software: bool, rows: &mut Vec<Row>) -> Result<()> {
    let checkpoint = plm_tiny(format)?;
    let written = std::fs::read_to_string(root().join("tests/data/held-out.txt"))
        .map_err(|error| plume::Error::Io(format!("tests/data/held-out.txt: {error}")))?;
    let mut ids = Tokenizer::new(&checkpoint.vocabulary)?.encode(&written);
    ids.truncate(arguments.tokens.unwrap_or(if software { SOFTWARE_TOKENS } else { usize::MAX }));
    let text = Text { window: arguments.window, decoded: arguments.decoded.min(ids.len()), ids };
    let reference = Reference::new(&checkpoint, &text)?;
    let mut push = |kernels, comparison| {
        let row = Row { format: format.to_owned(), kernels, comparison };
        println!("{row}");
        rows.push(row);
    };
    for (kernels, narrow, subgroups, f16) in KERNELS {
        let mut gpu = block_on(GpuBackend::new())?;
        gpu.set_narrow(narrow);
        if (gpu.set_subgroups(subgroups), gpu.set_shader_f16(f16)) == (subgroups, f16) {
            push(kernels, reference.compare(gpu, &checkpoint, &text)?);
        }
    }
    push("CPU, f16 cache", reference.compare(ReferenceBackend::new(), &checkpoint, &text)?);
    Ok(())
}

impl std::fmt::Display for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { format, kernels, comparison } = self;
        let Comparison { positions, kl_mean, kl_max, relative_error_max, same_argmax, .. } = comparison;
        write!(formatter, "{format:<7} {kernels:<16} {positions:>9} {kl_mean:>8.1e} {kl_max:>8.1e}")?;
        write!(formatter, " {relative_error_max:>14.1e} {:>12.3}", same_argmax * 100.0)?;
        write!(formatter, " {:>10.6} {:>9.6}", comparison.perplexity, comparison.reference_perplexity)
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let gpu = block_on(GpuBackend::new())?;
    let (adapter, software) = (gpu.name(), gpu.is_software());
    drop(gpu);
    println!("{adapter}{}", if software { ", a processor that plays a GPU" } else { "" });
    println!(
        "{:<7} {:<16} {:>9} {:>8} {:>8} {:>14} {:>12} {:>10} {:>9}",
        "format",
        "kernels",
        "positions",
        "KL mean",
        "KL max",
        "rel. error max",
        "same first %",
        "perplexity",
        "reference"
    );
    let mut rows = Vec::new();
    for format in &arguments.formats {
        format_rows(format, &arguments, software, &mut rows)?;
    }
    if let Some(path) = arguments.json {
        let result = serde_json::json!({ "suite": "accuracy", "adapter": adapter, "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&result)? + "\n")?;
    }
    Ok(())
}
