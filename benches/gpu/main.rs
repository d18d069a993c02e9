//! `npm run bench -- gpu`: the GPU backend at PLM-1.8B's shapes, on random weights, on whatever adapter Vulkan gives.
//! benches/README.md says what each row means.

mod kernels;
mod random_model;
mod report;
mod token;

use plume::{
    backend::{Backend, gpu::GpuBackend},
    weights::ElementType,
};
use pollster::block_on;
use random_model::Mix;
use report::Bench;
use std::{error::Error, time::Duration};
use token::Options;

const USAGE: &str = "options: [--json FILE] [--quick] [--whole] [--runs N] [--formats Q8_0,Q4_0,...] [--layers N] \
                     [--vocabulary N] [--suites kernels,sparse,token]";

/// What was asked for on the command line.
struct Arguments {
    json: Option<String>,
    quick: bool,
    whole: bool,
    runs: usize,
    formats: Vec<Mix>,
    layers: usize,
    vocabulary: usize,
    suites: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut read = Self {
            json: None,
            quick: false,
            whole: false,
            runs: 5,
            formats: vec![Mix::Uniform(ElementType::Q8_0), Mix::Uniform(ElementType::Q4_0), Mix::Q4KM],
            layers: 32,
            vocabulary: 151_936,
            suites: ["kernels", "sparse", "token"].map(str::to_owned).to_vec(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value; {USAGE}"));
            match name.as_str() {
                // Cargo gives it to every bench.
                "--bench" => {}
                "--quick" => read.quick = true,
                "--whole" => read.whole = true,
                "--json" => read.json = Some(value()?),
                "--runs" => read.runs = value()?.parse()?,
                "--layers" => read.layers = value()?.parse()?,
                "--vocabulary" => read.vocabulary = value()?.parse()?,
                "--suites" => read.suites = value()?.split(',').map(str::to_owned).collect(),
                "--formats" => {
                    let named = |name: &str| Mix::named(name).ok_or(format!("no format is called {name}"));
                    read.formats = value()?.split(',').map(named).collect::<Result<_, _>>()?;
                }
                _ => return Err(format!("{name} is not known; {USAGE}").into()),
            }
        }
        if read.runs == 0 || read.layers == 0 || read.vocabulary < 2 {
            return Err(format!("runs, layers and vocabulary must be above zero; {USAGE}").into());
        }
        if read.quick {
            read.runs = read.runs.min(3);
            read.layers = read.layers.min(4);
            read.vocabulary = read.vocabulary.min(16_384);
        }
        Ok(read)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let gpu = block_on(GpuBackend::new())?;
    let software = gpu.is_software();
    let adapter = gpu.name();
    println!("{adapter}{}", if software { ", a processor that plays a GPU" } else { "" });
    println!("{:<56} {:>8} {:<5}  {:>8}  ratio", "", "value", "unit", "baseline");
    let batch = Duration::from_millis(if arguments.quick { 20 } else { 200 });
    let mut bench = Bench { gpu, runs: arguments.runs, batch, rows: Vec::new() };
    let asked = |suite: &str| arguments.suites.iter().any(|name| name == suite);
    if asked("kernels") {
        let copy = kernels::copy(&mut bench)?;
        for mix in &arguments.formats {
            kernels::kernels(&mut bench, *mix, arguments.vocabulary, copy)?;
        }
    }
    if asked("sparse") {
        for mix in &arguments.formats {
            kernels::sparse_against_dense(&mut bench, *mix)?;
        }
    }
    if asked("token") {
        let options = Options {
            layers: arguments.layers,
            vocabulary: arguments.vocabulary,
            distinct: if software { arguments.layers.min(2) } else { arguments.layers },
            whole: arguments.whole || !software && !arguments.quick,
        };
        for mix in &arguments.formats {
            token::token(&mut bench, *mix, options)?;
        }
    }
    if let Some(path) = arguments.json {
        let result = serde_json::json!({ "suite": "gpu", "adapter": adapter, "rows": bench.rows });
        std::fs::write(path, serde_json::to_string_pretty(&result)? + "\n")?;
    }
    Ok(())
}
