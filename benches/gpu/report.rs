//! Timing, and the rows that are printed and written.

use plume::{Result, backend::gpu::GpuBackend};
use serde::Serialize;
use std::time::Duration;

/// What is common to all measurements.
pub struct Bench {
    pub gpu: GpuBackend,
    /// Times that each figure is taken; the median counts.
    pub runs: usize,
    /// How long a batch of one operation is to take.
    pub batch: Duration,
    pub rows: Vec<Row>,
}

/// One line of the results.
#[derive(Serialize)]
pub struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    pub value: f64,
    pub unit: &'static str,
    pub baseline: Option<f64>,
    pub ratio: Option<f64>,
    /// What the ratio is of, such as "dense / sparse".
    pub against: Option<String>,
    pub runs: usize,
    /// Operations in one batch.
    pub repeats: usize,
}

/// An operation that is measured: it records its `i`-th run, so that runs can take different matrices.
pub type Operation<'a> = Box<dyn FnMut(&mut GpuBackend, usize) -> Result<()> + 'a>;

/// Seconds for one operation, and how many made a batch.
#[derive(Clone, Copy)]
pub struct Timing {
    pub seconds: f64,
    pub repeats: usize,
}

impl Bench {
    /// The median time of each operation. Each is recorded many times over in one submission, and waited for once; batches of
    /// the operations take turns.
    pub fn interleave(&mut self, operations: &mut [Operation]) -> Result<Vec<Timing>> {
        const MOST: f64 = 512.0;
        let mut repeats = Vec::new();
        for operation in operations.iter_mut() {
            // The first run compiles shaders and touches memory for the first time.
            batch(&mut self.gpu, operation, 1)?;
            let one = batch(&mut self.gpu, operation, 1)?;
            repeats.push((self.batch.as_secs_f64() / one).ceil().clamp(1.0, MOST) as usize);
        }
        let mut times = vec![Vec::new(); operations.len()];
        for _ in 0..self.runs {
            for (index, operation) in operations.iter_mut().enumerate() {
                times[index].push(batch(&mut self.gpu, operation, repeats[index])?);
            }
        }
        let timings = times.into_iter().zip(repeats);
        Ok(timings.map(|(times, repeats)| Timing { seconds: median(times), repeats }).collect())
    }

    /// Adds and prints a figure that has nothing to be compared with.
    pub fn figure(&mut self, case: &str, value: f64, unit: &'static str, repeats: usize) {
        self.push(Row { case: Some(case.to_owned()), ..self.row(value, unit, repeats) });
    }

    /// Adds and prints a figure and its ratio to another of the same unit; `against` says which over which.
    pub fn ratio(&mut self, case: &str, value: f64, unit: &'static str, baseline: f64, against: &str, repeats: usize) {
        let row = self.row(value, unit, repeats);
        self.push(Row { case: Some(case.to_owned()), ..row.against(baseline, value / baseline, against) });
    }

    /// Adds and prints how many times faster than its baseline something is.
    pub fn faster(&mut self, case: &str, timing: Timing, baseline: Timing, against: &str) {
        let (value, baseline) = (timing.seconds * 1e6, baseline.seconds * 1e6);
        let row = self.row(value, "us", timing.repeats).against(baseline, baseline / value, against);
        self.push(Row { case: Some(case.to_owned()), ..row });
    }

    /// Adds and prints a kernel's bandwidth against a copy's, both in bytes a second.
    pub fn bandwidth(&mut self, kernel: &str, bytes: f64, timing: Timing, copy: f64) {
        let (value, copy) = (bytes / timing.seconds / 1e9, copy / 1e9);
        let row = self.row(value, "GB/s", timing.repeats).against(copy, value / copy, "kernel / copy");
        self.push(Row { kernel: Some(kernel.to_owned()), ..row });
    }

    fn row(&self, value: f64, unit: &'static str, repeats: usize) -> Row {
        let runs = self.runs;
        Row { kernel: None, case: None, value, unit, baseline: None, ratio: None, against: None, runs, repeats }
    }

    fn push(&mut self, row: Row) {
        println!("{row}");
        self.rows.push(row);
    }
}

impl Row {
    fn against(self, baseline: f64, ratio: f64, against: &str) -> Self {
        Self { baseline: Some(baseline), ratio: Some(ratio), against: Some(against.to_owned()), ..self }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.kernel.as_ref().or(self.case.as_ref()).map_or("", String::as_str);
        write!(formatter, "{name:<56} {:>8} {:<5}", digits(self.value), self.unit)?;
        if let (Some(baseline), Some(ratio), Some(against)) = (self.baseline, self.ratio, &self.against) {
            write!(formatter, "  {:>8}  {} ({against})", digits(baseline), digits(ratio))?;
        }
        Ok(())
    }
}

/// Seconds for each of `repeats` runs that were recorded together.
fn batch(gpu: &mut GpuBackend, operation: &mut Operation, repeats: usize) -> Result<f64> {
    gpu.run_timed()?;
    for index in 0..repeats {
        operation(gpu, index)?;
    }
    Ok(gpu.run_timed()?.as_secs_f64() / repeats as f64)
}

/// Of at least one value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Four digits, or all that stand before the point.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
