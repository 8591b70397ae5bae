//! What the stated confidence is worth: risk against coverage, and the calibration error.

use serde::{Deserialize, Serialize};

use crate::score::Decision;

/// Bins of equal mass.
pub const BINS: usize = 10;
/// A drawn curve has no more points than this.
const MAX_POINTS: usize = 200;

/// A point of the risk–coverage curve: what it would be if only decisions at least so sure were given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// The confidence from which decisions are given.
    pub threshold: f64,
    /// Which share of all decisions that is.
    pub coverage: f64,
    /// The share of wrong ones among them.
    pub risk: f64,
}

/// A bin of the reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Decisions in it.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of right ones.
    pub accuracy: f64,
}

/// The risk–coverage curve from the surest decision to all of them. Decisions of one confidence come together, as a
/// threshold cannot part them.
pub fn risk_coverage(decisions: &[Decision]) -> Vec<Risk> {
    let mut sorted = decisions.to_vec();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let all = sorted.len() as f64;
    let mut points = vec![];
    let (mut given, mut wrong) = (0_u64, 0_u64);
    for (index, decision) in sorted.iter().enumerate() {
        given += 1;
        wrong += u64::from(!decision.right);
        if sorted.get(index + 1).is_none_or(|next| next.confidence < decision.confidence) {
            let (given, wrong) = (given as f64, wrong as f64);
            points.push(Risk { threshold: decision.confidence, coverage: given / all, risk: wrong / given });
        }
    }
    thin(points)
}

/// Evenly chosen points; the last stays.
fn thin(points: Vec<Risk>) -> Vec<Risk> {
    let Some(last) = points.len().checked_sub(1).filter(|last| *last >= MAX_POINTS) else { return points };
    (0..MAX_POINTS).map(|i| points[i * last / (MAX_POINTS - 1)]).collect()
}

/// Decisions of one confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tied {
    pub(crate) confidence: f64,
    pub(crate) count: u64,
    pub(crate) right: u64,
}

/// Puts decisions of one confidence together. `sorted`: by rising confidence, each with how often it counts.
pub(crate) fn tied(sorted: impl Iterator<Item = (Decision, u32)>) -> Vec<Tied> {
    let mut groups: Vec<Tied> = vec![];
    for (decision, times) in sorted.filter(|(_, times)| *times > 0) {
        let (count, right) = (u64::from(times), u64::from(times) * u64::from(decision.right));
        match groups.last_mut().filter(|group| group.confidence >= decision.confidence) {
            Some(group) => (group.count, group.right) = (group.count + count, group.right + right),
            None => groups.push(Tied { confidence: decision.confidence, count, right }),
        }
    }
    groups
}

/// Ten bins of as many decisions each (as nearly as they go), by rising confidence; fewer where there are fewer than
/// ten decisions. Where a bin ends among decisions of one confidence, right and wrong ones are shared out evenly:
/// their order means nothing.
pub(crate) fn bins(groups: &[Tied]) -> Vec<Bin> {
    let total: u64 = groups.iter().map(|group| group.count).sum();
    let bins = total.min(BINS as u64);
    let mut made: Vec<Bin> = vec![];
    let (mut count, mut confidence, mut right) = (0_u64, 0.0, 0.0);
    let mut seen = 0;
    for group in groups {
        let accuracy = group.right as f64 / group.count as f64;
        let mut left = group.count;
        while left > 0 {
            // Where this bin ends, counted from the first decision.
            let end = (made.len() as u64 + 1) * total / bins;
            let take = left.min(end - seen);
            count += take;
            confidence += take as f64 * group.confidence;
            right += take as f64 * accuracy;
            seen += take;
            left -= take;
            if seen == end {
                let n = count as f64;
                made.push(Bin { count, confidence: confidence / n, accuracy: right / n });
                (count, confidence, right) = (0, 0.0, 0.0);
            }
        }
    }
    made
}

/// The mean distance of confidence from accuracy over the bins, each weighed by its decisions.
pub(crate) fn calibration_error(bins: &[Bin]) -> Option<f64> {
    let total: u64 = bins.iter().map(|bin| bin.count).sum();
    let sum: f64 = bins.iter().map(|bin| bin.count as f64 * (bin.confidence - bin.accuracy).abs()).sum();
    (total > 0).then(|| sum / total as f64)
}

/// The bins of a reliability diagram.
pub fn reliability(decisions: &[Decision]) -> Vec<Bin> {
    let mut sorted = decisions.to_vec();
    sorted.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    bins(&tied(sorted.into_iter().map(|decision| (decision, 1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions(of: &[(f64, bool)]) -> Vec<Decision> {
        of.iter().map(|(confidence, right)| Decision { confidence: *confidence, right: *right }).collect()
    }

    #[test]
    fn risk_falls_with_the_threshold_by_hand() {
        let curve = risk_coverage(&decisions(&[(0.9, true), (0.5, false), (0.9, false), (0.7, true)]));
        let shown: Vec<_> = curve.iter().map(|p| (p.threshold, p.coverage, p.risk)).collect();
        assert_eq!(shown, [(0.9, 0.5, 0.5), (0.7, 0.75, 1.0 / 3.0), (0.5, 1.0, 0.5)]);
        assert_eq!(risk_coverage(&[]), []);
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        let many: Vec<_> = (0..5_000).map(|i| (f64::from(i) / 5_000.0, i % 3 == 0)).collect();
        let curve = risk_coverage(&decisions(&many));
        assert_eq!(curve.len(), MAX_POINTS);
        assert_eq!((curve[0].threshold, curve[MAX_POINTS - 1].coverage), (4_999.0 / 5_000.0, 1.0));
    }

    #[test]
    fn bins_hold_equal_masses() {
        // 25 decisions: bins of 2 and 3.
        let many: Vec<_> = (0..25).map(|i| (f64::from(i) / 25.0, true)).collect();
        let bins = reliability(&decisions(&many));
        assert_eq!(bins.len(), BINS);
        assert!(bins.iter().all(|b| (2..=3).contains(&b.count)));
        assert_eq!(bins.iter().map(|b| b.count).sum::<u64>(), 25);
        assert_eq!(reliability(&decisions(&many[..3])).len(), 3);
        assert_eq!(reliability(&[]), []);
        assert_eq!(calibration_error(&[]), None);
    }

    #[test]
    fn the_calibration_error_by_hand() {
        // Ten at 0.8 of which 8 are right: no error. Ten at 0.6 of which 3 are right: 0.3 too sure.
        let mut all = vec![];
        all.extend((0..10).map(|i| (0.8, i < 8)));
        all.extend((0..10).map(|i| (0.6, i < 3)));
        let error = |all: &[(f64, bool)]| calibration_error(&reliability(&decisions(all))).unwrap();
        assert!((error(&all) - 0.15).abs() < 1e-12, "{}", error(&all));
        let before = error(&all);
        all.reverse();
        assert!((error(&all) - before).abs() < 1e-12, "the order of equal ones means nothing");
    }
}
