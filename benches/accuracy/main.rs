//! `npm run bench -- accuracy`: how far the GPU's next-token distributions are from float32's on the same decoded weights, on
//! held-out text, for every format and every choice of kernels. benches/README.md says what each column means.

#[path = "../../tests/measures/mod.rs"]
mod measures;

use measures::{Perplexity, divergence, relative_error};
use plume::{
    Result,
    backend::{Backend, Tokens, cpu::CpuBackend, gpu::GpuBackend},
    format::Checkpoint,
    model::{Weights, forward, forward_all},
    source::{Directory, FileSource},
    tokenizer::Tokenizer,
    weights::load_weights,
};
use pollster::block_on;
use serde::Serialize;
use std::{error::Error, ops::Range, path::Path, rc::Rc};

const FORMATS: [&str; 5] = ["BF16", "F16", "Q8_0", "Q4_0", "Q4_K_M"];
/// By name, whether they are narrow, and whether they use subgroup operations.
const KERNELS: [(&str, bool, bool); 3] =
    [("narrow", true, false), ("wide", false, false), ("wide, subgroups", false, true)];
/// Tokens that are read from an empty cache, as in training; past them plm-tiny is lost. make_held_out.py cuts the text alike.
const WINDOW: usize = 320;
/// Tokens of one pass. It does not divide a window, so that the last pass of each is of another length.
const CHUNK: usize = 128;
/// What is read of the text where a processor plays the GPU, which takes minutes for that.
const SOFTWARE_TOKENS: usize = 2 * WINDOW;
const USAGE: &str = "options: [--json FILE] [--formats Q8_0,Q4_0,...] [--tokens N] [--decoded N]";

/// One line of the results.
#[derive(Serialize)]
struct Row {
    format: String,
    kernels: &'static str,
    /// Distributions that were compared: those of every token in passes of many, and of the first `decoded` tokens once more,
    /// one token a pass.
    positions: usize,
    decoded: usize,
    /// KL(reference || GPU), in nats.
    kl_mean: f64,
    kl_max: f64,
    /// Of a position's logits, as vectors.
    relative_error_max: f64,
    /// The fraction of positions at which both find the same token likeliest.
    same_argmax: f64,
    /// Of the whole text, from passes of many tokens.
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
}

impl Arguments {
    fn read() -> std::result::Result<Self, Box<dyn Error>> {
        let mut read = Self { json: None, formats: FORMATS.map(str::to_owned).to_vec(), tokens: None, decoded: 128 };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value; {USAGE}"));
            match name.as_str() {
                // Cargo gives it to every bench.
                "--bench" => {}
                "--json" => read.json = Some(value()?),
                "--formats" => read.formats = value()?.split(',').map(str::to_owned).collect(),
                "--tokens" => read.tokens = Some(value()?.parse()?),
                "--decoded" => read.decoded = value()?.parse()?,
                _ => return Err(format!("{name} is not known; {USAGE}").into()),
            }
        }
        if let Some(name) = read.formats.iter().find(|name| !FORMATS.contains(&name.as_str())) {
            return Err(format!("no file of plm-tiny is called {name}; there are {}", FORMATS.join(", ")).into());
        }
        if read.tokens.is_some_and(|tokens| tokens < 2) {
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

/// A loaded model, and the text that it reads.
struct Reader<'a, B: Backend> {
    backend: B,
    checkpoint: &'a Checkpoint,
    weights: Weights<B>,
    ids: &'a [u32],
}

impl<'a, B: Backend> Reader<'a, B> {
    fn new(mut backend: B, checkpoint: &'a Checkpoint, ids: &'a [u32]) -> Result<Self> {
        let weights = block_on(load_weights(&mut backend, checkpoint, &mut |_| (), &|| false))?;
        Ok(Self { backend, checkpoint, weights, ids })
    }

    /// Reads the tokens of a range, windows by windows, `chunk` tokens a pass, and shows each one's index with the logits that
    /// follow it.
    fn read(&mut self, range: Range<usize>, chunk: usize, mut show: impl FnMut(usize, &[f32])) -> Result<()> {
        let config = &self.checkpoint.config;
        let (backend, weights) = (&mut self.backend, &self.weights);
        for start in range.clone().step_by(WINDOW) {
            let window = &self.ids[start..range.end.min(start + WINDOW)];
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

/// The likeliest token.
fn argmax(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
}

/// Rows of a format, one for each choice of kernels that the adapter has.
fn format_rows(format: &str, tokens: usize, decoded: usize, rows: &mut Vec<Row>) -> Result<()> {
    let checkpoint = plm_tiny(format)?;
    let text = std::fs::read_to_string(root().join("tests/data/held-out.txt"))
        .map_err(|error| plume::Error::Io(format!("tests/data/held-out.txt: {error}")))?;
    let mut ids = Tokenizer::new(&checkpoint.vocabulary)?.encode(&text);
    ids.truncate(tokens);
    let decoded = decoded.min(ids.len());
    // The last token of a window is not asked for the next, which does not see it.
    let next = |index: usize| ids.get(index + 1).filter(|_| (index + 1) % WINDOW != 0);

    let (mut expected, mut reference) = (Vec::new(), Perplexity::default());
    Reader::new(CpuBackend::with_f32_cache(), &checkpoint, &ids)?.read(0..ids.len(), WINDOW, |index, logits| {
        expected.push(logits.to_vec());
        next(index).inspect(|next| reference.push(logits, **next));
    })?;
    for (kernels, narrow, subgroups) in KERNELS {
        let mut gpu = block_on(GpuBackend::new())?;
        gpu.set_narrow(narrow);
        if gpu.set_subgroups(subgroups) != subgroups {
            continue;
        }
        let (mut kl_sum, mut kl_max, mut relative_error_max, mut same) = (0.0, 0.0f64, 0.0f64, 0);
        let mut compare = |index: usize, logits: &[f32]| {
            let kl = divergence(logits, &expected[index]);
            kl_sum += kl;
            kl_max = kl_max.max(kl);
            relative_error_max = relative_error_max.max(relative_error(logits, &expected[index]));
            same += usize::from(argmax(logits) == argmax(&expected[index]));
        };
        let mut reader = Reader::new(gpu, &checkpoint, &ids)?;
        let mut perplexity = Perplexity::default();
        reader.read(0..ids.len(), CHUNK, |index, logits| {
            compare(index, logits);
            next(index).inspect(|next| perplexity.push(logits, **next));
        })?;
        reader.read(0..decoded, 1, &mut compare)?;
        let positions = ids.len() + decoded;
        let row = Row {
            format: format.to_owned(),
            kernels,
            positions,
            decoded,
            kl_mean: kl_sum / positions as f64,
            kl_max,
            relative_error_max,
            same_argmax: same as f64 / positions as f64,
            perplexity: perplexity.value(),
            reference_perplexity: reference.value(),
        };
        println!("{row}");
        rows.push(row);
    }
    Ok(())
}

impl std::fmt::Display for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { format, kernels, positions, kl_mean, kl_max, relative_error_max, same_argmax, .. } = self;
        write!(formatter, "{format:<7} {kernels:<16} {positions:>9} {kl_mean:>8.1e} {kl_max:>8.1e}")?;
        write!(formatter, " {relative_error_max:>14.1e} {:>12.3}", same_argmax * 100.0)?;
        write!(formatter, " {:>10.6} {:>9.6}", self.perplexity, self.reference_perplexity)
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let gpu = block_on(GpuBackend::new())?;
    let (adapter, software) = (gpu.name(), gpu.is_software());
    drop(gpu);
    println!("{adapter}{}", if software { ", a processor that plays a GPU" } else { "" });
    let tokens = arguments.tokens.unwrap_or(if software { SOFTWARE_TOKENS } else { usize::MAX });
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
        format_rows(format, tokens, arguments.decoded, &mut rows)?;
    }
    if let Some(path) = arguments.json {
        let result = serde_json::json!({ "suite": "accuracy", "adapter": adapter, "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&result)? + "\n")?;
    }
    Ok(())
}
