//! The few statistics the figures need.

use serde::{Deserialize, Serialize};

/// The middle of the values, or the mean of the two middle ones.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return sorted.get(middle).copied();
    }
    Some((sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0)
}

/// What repetition alone changes: three times the median distance from the median, which one bad round cannot move.
pub fn noise(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    Some(3.0 * median(&distances)?)
}

/// Where a set of durations lies, in microseconds; every sample counts, none is rounded into a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many samples there are.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// Half of the samples are at most this.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Quantiles {
    /// Sorts nanoseconds and reads them off; `None` without samples.
    pub fn of_nanoseconds(samples: &mut [u64]) -> Option<Self> {
        samples.sort_unstable();
        let at = |share: f64| {
            // Nearest rank: the smallest sample that at least this share does not exceed.
            let rank = (share * samples.len() as f64).ceil() as usize;
            samples.get(rank.max(1) - 1).map(|ns| *ns as f64 / 1000.0)
        };
        let sum: f64 = samples.iter().map(|ns| *ns as f64).sum();
        Some(Self {
            count: samples.len(),
            mean: sum / samples.len() as f64 / 1000.0,
            p50: at(0.5)?,
            p90: at(0.9)?,
            p99: at(0.99)?,
            max: at(1.0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
        assert_eq!(noise(&[10.0, 11.0, 9.0, 10.0, 500.0]), Some(3.0));
        assert_eq!(noise(&[]), None);
    }

    #[test]
    fn quantiles_are_samples() {
        let mut samples: Vec<u64> = (1..=100).rev().map(|n| n * 1000).collect();
        let quantiles = Quantiles::of_nanoseconds(&mut samples).unwrap();
        assert_eq!((quantiles.p50, quantiles.p90, quantiles.p99, quantiles.max), (50.0, 90.0, 99.0, 100.0));
        assert_eq!((quantiles.mean, quantiles.count), (50.5, 100));
        assert_eq!(Quantiles::of_nanoseconds(&mut []), None);
    }
}
