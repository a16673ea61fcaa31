//! Whether a measured value grows over time.

use std::fs;

/// The samples of a process.
#[derive(Default)]
pub struct Samples {
    heap: Vec<f64>,
    threads: Vec<f64>,
    descriptors: Vec<f64>,
}

impl Samples {
    pub fn take(&mut self, heap: usize) {
        let count = |directory| fs::read_dir(directory).map_or(0, Iterator::count) as f64;
        self.heap.push(heap as f64 / 1024.0);
        self.threads.push(count("/proc/self/task"));
        self.descriptors.push(count("/proc/self/fd"));
    }

    /// Prints the growth of each value, and returns whether none grows.
    pub fn report(&self) -> bool {
        let values = [
            ("heap, KiB", &self.heap, 64.0),
            ("threads", &self.threads, 1.0),
            ("file descriptors", &self.descriptors, 4.0),
        ];
        values.map(|(name, samples, tolerance)| report(name, samples, tolerance)) == [true; 3]
    }
}

/// The parts of the samples that are compared: the first one is warm-up.
const PARTS: usize = 10;

/// Prints a value, and returns whether it is steady. It grows if the slope of the means of the parts
/// is more than three standard errors above zero, and the growth is above the tolerance and above
/// 2 % of the mean.
fn report(name: &str, samples: &[f64], tolerance: f64) -> bool {
    let part = (samples.len() / PARTS).max(1);
    let means: Vec<f64> = samples.chunks_exact(part).skip(1).map(mean).collect();
    let (slope, error) = slope(&means);
    let growth = slope * (means.len() as f64 - 1.0);
    let steady = slope <= 3.0 * error || growth <= tolerance.max(0.02 * mean(&means));
    let lowest = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = samples.iter().copied().fold(0.0, f64::max);
    println!(
        "{name}: mean {:.0}, from {lowest:.0} to {highest:.0}, growth {growth:+.1} ± {:.1}: {}",
        mean(&means),
        error * (means.len() as f64 - 1.0),
        if steady { "steady" } else { "GROWS" }
    );
    steady
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the slope of the line of least squares, and its standard error.
fn slope(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let (middle, average) = ((count - 1.0) / 2.0, mean(values));
    let points =
        || values.iter().enumerate().map(|(index, value)| (index as f64 - middle, value - average));
    let spread: f64 = points().map(|(x, _)| x * x).sum();
    let slope = points().map(|(x, y)| x * y).sum::<f64>() / spread;
    let residual: f64 = points().map(|(x, y)| (y - slope * x).powi(2)).sum();
    (slope, (residual / (count - 2.0) / spread).sqrt())
}
