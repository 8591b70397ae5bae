//! Figures with their counts and intervals.

use serde::{Deserialize, Serialize};

use crate::calibration::{bins, calibration_error, tied};
use crate::figure::{Figure, Shape};
use crate::interval::{FEW, Interval, MIN_SESSIONS, resamples};
use crate::score::Decision;
use crate::tally::{Outcome, Tally};

/// A figure as it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Which.
    pub figure: Figure,
    /// Its value; none where there was nothing to measure it on.
    pub value: Option<f64>,
    /// What was counted, where it is a share or a rate.
    pub hits: Option<u64>,
    /// Of how many, or over how much (hours, hundreds of items).
    pub of: f64,
    /// Where it lies with 95 % confidence; none where too few sessions say anything about it.
    pub interval: Option<Interval>,
}

/// Outcomes made ready to be resampled.
pub(crate) struct Sample<'a> {
    outcomes: &'a [Outcome],
    /// Rising, each with the place of its session.
    delays: Vec<(f64, usize)>,
    /// By rising confidence, each with the place of its session.
    decisions: Vec<(Decision, usize)>,
}

/// One resample: every figure follows from it.
pub(crate) struct Drawn {
    tally: Tally,
    delay_p99: Option<f64>,
    calibration_error: Option<f64>,
    decisions: u64,
}

impl<'a> Sample<'a> {
    pub(crate) fn of(outcomes: &'a [Outcome]) -> Self {
        let each = || outcomes.iter().enumerate();
        let mut delays: Vec<_> = each().flat_map(|(i, o)| o.delays.iter().map(move |d| (*d, i))).collect();
        delays.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut decisions: Vec<_> =
            each().flat_map(|(i, o)| o.decisions.iter().map(move |d| (*d, i))).collect();
        decisions.sort_by(|(a, _), (b, _)| a.confidence.total_cmp(&b.confidence));
        Self { outcomes, delays, decisions }
    }

    /// With each session as often as `times` says.
    pub(crate) fn draw(&self, times: &[u32]) -> Drawn {
        let mut tally = Tally::default();
        for (outcome, times) in self.outcomes.iter().zip(times) {
            tally.add(&outcome.tally, *times);
        }
        let groups = tied(self.decisions.iter().map(|(decision, session)| (*decision, times[*session])));
        Drawn {
            tally,
            delay_p99: self.delay_p99(times),
            calibration_error: calibration_error(&bins(&groups)),
            decisions: groups.iter().map(|group| group.count).sum(),
        }
    }

    /// With each session once.
    pub(crate) fn whole(&self) -> Drawn {
        self.draw(&vec![1; self.outcomes.len()])
    }

    /// The smallest delay that at least 99 % do not exceed.
    fn delay_p99(&self, times: &[u32]) -> Option<f64> {
        let total: u64 = self.delays.iter().map(|(_, session)| u64::from(times[*session])).sum();
        let mut left = (total * 99).div_ceil(100);
        self.delays.iter().find_map(|(delay, session)| {
            left = left.saturating_sub(times[*session].into());
            (left == 0 && total > 0).then_some(*delay)
        })
    }
}

impl Drawn {
    pub(crate) fn value(&self, figure: Figure) -> Option<f64> {
        match figure.shape(&self.tally) {
            Shape::Percentile { .. } => self.delay_p99,
            Shape::Calibration => self.calibration_error,
            shape => shape.value(),
        }
    }
}

/// The figures of the sessions together.
pub fn estimates(outcomes: &[Outcome], figures: &[Figure]) -> Vec<Estimate> {
    let sample = Sample::of(outcomes);
    let whole = sample.whole();
    let mut drawn: Vec<Vec<f64>> = vec![vec![]; figures.len()];
    if outcomes.len() >= MIN_SESSIONS {
        for times in resamples(outcomes.len()) {
            let resample = sample.draw(&times);
            for (values, figure) in drawn.iter_mut().zip(figures) {
                values.extend(resample.value(*figure));
            }
        }
    }
    figures.iter().zip(drawn).map(|(figure, values)| estimate(*figure, &whole, values)).collect()
}

fn estimate(figure: Figure, whole: &Drawn, resampled: Vec<f64>) -> Estimate {
    let value = whole.value(figure);
    let resampled = || Interval::percentiles(resampled);
    let (hits, of, interval) = match figure.shape(&whole.tally) {
        Shape::Proportion { hits, of } => {
            let exact = || (of > 0).then(|| Interval::clopper_pearson(hits, of));
            let few = hits.min(of.saturating_sub(hits)) < FEW;
            (Some(hits), of as f64, if few { exact() } else { resampled().or_else(exact) })
        }
        Shape::Pairing { matched, alone } => {
            let all = matched + alone;
            let exact = || (all > 0).then(|| pairing(matched, all));
            let few = matched.min(alone) < FEW;
            (Some(matched), all as f64, if few { exact() } else { resampled().or_else(exact) })
        }
        Shape::Rate { count, exposure } => {
            let exact = || (exposure > 0.0).then(|| Interval::garwood(count, exposure));
            (Some(count), exposure, if count < FEW { exact() } else { resampled().or_else(exact) })
        }
        Shape::Mean { of, .. } | Shape::Percentile { of } => (None, of as f64, resampled()),
        Shape::Calibration => (None, whole.decisions as f64, resampled()),
    };
    Estimate { figure, value, hits, of, interval: interval.filter(|_| value.is_some()) }
}

/// An F1 is no proportion, but it rises with one: pairs among pairs and lonely ones. That one's interval is taken
/// there: 2j / (1 + j).
fn pairing(matched: u64, all: u64) -> Interval {
    let Interval { low, high, method } = Interval::clopper_pearson(matched, all);
    let f1 = |j: f64| 2.0 * j / (1.0 + j);
    Interval { low: f1(low), high: f1(high), method }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Method;

    fn outcome(changes: u64, matched: u64) -> Outcome {
        let delays: Vec<f64> = (0..matched).map(|i| i as f64 / 10.0).collect();
        let tally = Tally {
            changes,
            events: matched,
            matched,
            recorded: 360.0,
            decision_delay: delays.iter().sum(),
            ..Tally::default()
        };
        Outcome { name: format!("{changes}-{matched}"), tally, delays, ..Outcome::default() }
    }

    fn one(outcomes: &[Outcome], figure: Figure) -> Estimate {
        estimates(outcomes, &[figure])[0]
    }

    #[test]
    fn eight_of_eight_is_not_certain() {
        let f1 = one(&[outcome(8, 8)], Figure::EventF1);
        assert_eq!((f1.value, f1.hits, f1.of), (Some(1.0), Some(8), 8.0));
        let interval = f1.interval.unwrap();
        assert_eq!((interval.high, interval.method), (1.0, Method::ClopperPearson));
        // Clopper–Pearson's 0.63058 as an F1.
        assert!((interval.low - 2.0 * 0.630_58 / 1.630_58).abs() < 1e-4, "{interval:?}");
        // No false event in a tenth of an hour.
        let false_events = one(&[outcome(8, 8)], Figure::FalsePerHour);
        assert!((false_events.interval.unwrap().high - 36.888_8).abs() < 1e-3);
    }

    #[test]
    fn nor_are_twenty_sessions_without_a_fault() {
        // The bootstrap would say "1 to 1".
        let perfect = vec![outcome(10, 10); 20];
        for (figure, low) in [(Figure::Recall, 0.981_7), (Figure::EventF1, 2.0 * 0.981_7 / 1.981_7)] {
            let interval = one(&perfect, figure).interval.unwrap();
            assert!((interval.low - low).abs() < 1e-3, "{}: {interval:?}", figure.key());
        }
        let false_events = one(&perfect, Figure::FalsePerHour).interval.unwrap();
        // None in two hours.
        assert_eq!(
            (false_events.method, (false_events.high * 2.0 * 1e3).round()),
            (Method::Garwood, 3_689.0)
        );
    }

    #[test]
    fn what_one_session_cannot_say_has_no_interval() {
        let five = vec![outcome(10, 9); 5];
        assert_eq!(one(&five, Figure::DecisionDelay).interval, None);
        assert_eq!(one(&five, Figure::DecisionDelay).value, Some(0.4));
        let six = vec![outcome(10, 9); 6];
        assert!(one(&six, Figure::DecisionDelay).interval.is_some());
        assert_eq!(one(&six, Figure::Specificity).value, None);
        assert_eq!(one(&six, Figure::Specificity).interval, None);
        assert_eq!(one(&[], Figure::EventF1).value, None);
    }

    #[test]
    fn the_bootstrap_sees_that_sessions_differ() {
        // The same share over all; in one set every session has it, in the other half have all and half nothing.
        let even = vec![outcome(10, 5); 20];
        let uneven: Vec<_> = (0..20).map(|i| outcome(10, if i % 2 == 0 { 10 } else { 0 })).collect();
        let width = |outcomes: &[Outcome]| {
            let recall = one(outcomes, Figure::Recall);
            assert_eq!(recall.value, Some(0.5));
            let interval = recall.interval.unwrap();
            assert_eq!(interval.method, Method::Bootstrap);
            interval.high - interval.low
        };
        assert_eq!(width(&even), 0.0);
        // 2 · 1.96 · 0.5 / √20 = 0.44.
        assert!((0.38..0.48).contains(&width(&uneven)), "{}", width(&uneven));
    }

    #[test]
    fn the_99th_percentile_is_a_delay_that_was_seen() {
        let mut outcomes = vec![outcome(60, 60), outcome(40, 40)];
        // 0.0 to 5.9 and 0.0 to 3.9: one of the hundred is above 5.8.
        assert_eq!(one(&outcomes, Figure::DecisionDelayP99).value, Some(5.8));
        outcomes.truncate(1);
        assert_eq!(one(&outcomes, Figure::DecisionDelayP99).value, Some(5.9));
    }
}
