//! 95 % intervals.
//!
//! The bootstrap over sessions wherever a figure's spread shows in them. It shows nothing where all sessions
//! agree: at 0 or 1 it would say "exactly so", whatever the number of sessions. There proportions take Clopper
//! and Pearson's interval and rates of rare things Garwood's (the same idea for counts): both exact, and wide
//! where little was seen.

use puruspe::{invbetai, invgammp};
use serde::{Deserialize, Serialize};

/// How many resamples.
pub const RESAMPLES: usize = 2_000;
/// The seed of the resampling: the same data give the same report.
pub const SEED: u64 = 0x0CA2_7115;
/// Fewer sessions than this are not resampled. With 5, a difference seen in every one of them would still come by
/// chance once in 16 times (2 · 2⁻⁵), yet its bootstrap interval would exclude zero; with 6 it is once in 32.
pub const MIN_SESSIONS: usize = 6;
/// Of how few (cases or exceptions) the exact intervals are taken.
pub const FEW: u64 = 10;
/// What both tails together are.
const ALPHA: f64 = 0.05;

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Percentiles over resampled sessions.
    Bootstrap,
    /// Exact, for a proportion.
    ClopperPearson,
    /// Exact, for a rate of counted things.
    Garwood,
}

/// Where a figure lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// From here.
    pub low: f64,
    /// To here.
    pub high: f64,
    /// How it was found.
    pub method: Method,
}

impl Interval {
    /// Clopper and Pearson's interval of a proportion: `hits` of `of`, which is not zero.
    pub fn clopper_pearson(hits: u64, of: u64) -> Self {
        let (k, n) = (hits as f64, of as f64);
        let low = if hits == 0 { 0.0 } else { invbetai(ALPHA / 2.0, k, n - k + 1.0) };
        let high = if hits >= of { 1.0 } else { invbetai(1.0 - ALPHA / 2.0, k + 1.0, n - k) };
        Self { low, high, method: Method::ClopperPearson }
    }

    /// Garwood's interval of a rate: `count` things over `exposure`, which is not zero.
    pub fn garwood(count: u64, exposure: f64) -> Self {
        let k = count as f64;
        let low = if count == 0 { 0.0 } else { invgammp(ALPHA / 2.0, k) };
        let high = invgammp(1.0 - ALPHA / 2.0, k + 1.0);
        Self { low: low / exposure, high: high / exposure, method: Method::Garwood }
    }

    /// The percentiles of resampled values; none when there are none.
    pub fn percentiles(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let low = quantile(&values, ALPHA / 2.0)?;
        let high = quantile(&values, 1.0 - ALPHA / 2.0)?;
        Some(Self { low, high, method: Method::Bootstrap })
    }

    /// Whether zero lies outside.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The quantile of sorted values, by linear interpolation between the two nearest.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q * last as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64))
}

/// How often each of `sessions` is drawn, resample after resample.
pub(crate) fn resamples(sessions: usize) -> impl Iterator<Item = Vec<u32>> {
    let mut random = fastrand::Rng::with_seed(SEED);
    (0..RESAMPLES).map(move |_| {
        let mut drawn = vec![0; sessions];
        for _ in 0..sessions {
            drawn[random.usize(..sessions)] += 1;
        }
        drawn
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(interval: Interval, low: f64, high: f64) {
        let close = (interval.low - low).abs() < 2e-5 && (interval.high - high).abs() < 2e-5;
        assert!(close, "{interval:?}, not {low} to {high}");
    }

    #[test]
    fn clopper_pearson_as_published() {
        // 0 of n: 1 − 0.025^(1/n).
        near(Interval::clopper_pearson(0, 10), 0.0, 0.308_50);
        near(Interval::clopper_pearson(8, 8), 0.630_58, 1.0);
        // Clopper and Pearson 1934; R: binom.test(4, 20), binom.test(81, 263).
        near(Interval::clopper_pearson(4, 20), 0.057_33, 0.436_61);
        near(Interval::clopper_pearson(81, 263), 0.252_73, 0.367_62);
        near(Interval::clopper_pearson(1, 1), 0.025, 1.0);
        near(Interval::clopper_pearson(100_000, 100_000), 0.999_96, 1.0);
    }

    #[test]
    fn each_bound_is_where_the_tail_is_a_fortieth() {
        // From the definition: the binomial tails at the two bounds, summed.
        let tail = |p: f64, n: u64, from: u64, to: u64| -> f64 {
            (from..=to)
                .map(|k| {
                    let ways: f64 = (0..k).map(|i| ((n - i) as f64).ln() - ((i + 1) as f64).ln()).sum();
                    (ways + k as f64 * p.ln() + (n - k) as f64 * (1.0 - p).ln()).exp()
                })
                .sum()
        };
        for n in [1, 2, 7, 40, 333] {
            for k in [0, 1, n / 2, n - 1, n] {
                let Interval { low, high, .. } = Interval::clopper_pearson(k, n);
                if k > 0 {
                    assert!((tail(low, n, k, n) - 0.025).abs() < 1e-6, "{k} of {n}: {low}");
                }
                if k < n {
                    assert!((tail(high, n, 0, k) - 0.025).abs() < 1e-6, "{k} of {n}: {high}");
                }
            }
        }
    }

    #[test]
    fn garwood_as_published() {
        // The table of exact Poisson limits: 0, 1, 5 and 10 seen.
        near(Interval::garwood(0, 1.0), 0.0, 3.688_88);
        near(Interval::garwood(1, 1.0), 0.025_32, 5.571_64);
        near(Interval::garwood(5, 1.0), 1.623_49, 11.668_33);
        near(Interval::garwood(10, 2.0), 4.795_39 / 2.0, 18.390_36 / 2.0);
    }

    #[test]
    fn quantiles_lie_between() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.99), Some(3.0));
        assert_eq!(quantile(&[0.0, 1.0, 2.0, 3.0], 0.5), Some(1.5));
        assert_eq!(quantile(&[0.0, 10.0], 0.99), Some(9.9));
    }

    #[test]
    fn every_resample_draws_as_many_and_all_differ() {
        let all: Vec<_> = resamples(7).collect();
        assert_eq!(all.len(), RESAMPLES);
        assert!(all.iter().all(|drawn| drawn.iter().sum::<u32>() == 7));
        assert!(all.iter().any(|drawn| *drawn != all[0]));
        assert_eq!(all, resamples(7).collect::<Vec<_>>(), "the same every time");
        let of_first: u32 = all.iter().map(|drawn| drawn[0]).sum();
        // 2,000 draws on average, standard deviation about 41.
        assert!((1_800..2_200).contains(&of_first), "{of_first}");
    }
}
