//! Two systems on the same sessions.

use serde::{Deserialize, Serialize};

use crate::estimate::Sample;
use crate::figure::{Better, Figure};
use crate::interval::{Interval, MIN_SESSIONS, resamples};
use crate::tally::{Outcome, Tally};

/// Why two systems cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// They were not measured on the same sessions.
    #[error("not the same sessions: {}", lists(only_first, only_second))]
    Sessions {
        /// Those that only the first has.
        only_first: Vec<String>,
        /// Those that only the second has.
        only_second: Vec<String>,
    },
    /// They were held against different truths.
    #[error("not the same truth in {} session(s): {}", sessions.len(), some(sessions))]
    Truth {
        /// The sessions whose counts of changes or null episodes, or whose length, differ.
        sessions: Vec<String>,
    },
}

fn lists(first: &[String], second: &[String]) -> String {
    let one = |who: &str, names: &[String]| match names {
        [] => None,
        _ => Some(format!("only {who} has {} ({})", names.len(), some(names))),
    };
    let both = [one("the first", first), one("the second", second)];
    both.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn some(names: &[String]) -> String {
    match names {
        [shown @ .., _] if names.len() > 8 => format!("{}, …", shown[..7].join(", ")),
        _ => names.join(", "),
    }
}

/// What a difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The second is better: the interval excludes zero.
    Better,
    /// The second is worse: the interval excludes zero.
    Worse,
    /// Zero lies within the interval.
    NotTold,
    /// Too few sessions, or nothing to measure the figure on.
    TooFew,
}

/// A figure of both systems.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    pub figure: Figure,
    /// Of the first.
    pub first: Option<f64>,
    /// Of the second.
    pub second: Option<f64>,
    /// Second − first.
    pub difference: Option<f64>,
    /// Of the difference.
    pub interval: Option<Interval>,
    /// What follows.
    pub verdict: Verdict,
}

/// The figures of the second system against those of the first, sessions paired by name.
///
/// # Errors
/// [`PairingError`] when the sessions, or their truths, are not the same.
pub fn compare(first: &[Outcome], second: &[Outcome]) -> Result<Vec<Difference>, PairingError> {
    let (first, second) = paired(first, second)?;
    let samples = (Sample::of(&first), Sample::of(&second));
    let whole = (samples.0.whole(), samples.1.whole());
    let mut drawn: Vec<Vec<f64>> = vec![vec![]; Figure::ALL.len()];
    if first.len() >= MIN_SESSIONS {
        for times in resamples(first.len()) {
            let resample = (samples.0.draw(&times), samples.1.draw(&times));
            for (values, figure) in drawn.iter_mut().zip(Figure::ALL) {
                values.extend(difference(resample.0.value(*figure), resample.1.value(*figure)));
            }
        }
    }
    let one = |(figure, values): (&Figure, Vec<f64>)| {
        let (first, second) = (whole.0.value(*figure), whole.1.value(*figure));
        let difference = difference(first, second);
        let interval = Interval::percentiles(values).filter(|_| difference.is_some());
        let verdict = match interval {
            None => Verdict::TooFew,
            Some(interval) if !interval.excludes_zero() => Verdict::NotTold,
            Some(interval) if (interval.low > 0.0) == (figure.better() == Better::Higher) => Verdict::Better,
            Some(_) => Verdict::Worse,
        };
        Difference { figure: *figure, first, second, difference, interval, verdict }
    };
    Ok(Figure::ALL.iter().zip(drawn).map(one).collect())
}

fn difference(first: Option<f64>, second: Option<f64>) -> Option<f64> {
    Some(second? - first?)
}

/// Both in the order of names.
fn paired(first: &[Outcome], second: &[Outcome]) -> Result<(Vec<Outcome>, Vec<Outcome>), PairingError> {
    let sorted = |outcomes: &[Outcome]| {
        let mut sorted = outcomes.to_vec();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        sorted
    };
    let only = |of: &[Outcome], other: &[Outcome]| -> Vec<String> {
        let has = |name: &str| other.binary_search_by(|o| o.name.as_str().cmp(name)).is_ok();
        of.iter().filter(|o| !has(&o.name)).map(|o| o.name.clone()).collect()
    };
    let (first, second) = (sorted(first), sorted(second));
    let (only_first, only_second) = (only(&first, &second), only(&second, &first));
    if !only_first.is_empty() || !only_second.is_empty() {
        return Err(PairingError::Sessions { only_first, only_second });
    }
    let differs = |a: &Tally, b: &Tally| {
        (a.changes, a.null_episodes, a.items) != (b.changes, b.null_episodes, b.items)
            || (a.recorded - b.recorded).abs() > 1e-3
    };
    let differing = first.iter().zip(&second).filter(|(a, b)| differs(&a.tally, &b.tally));
    let sessions: Vec<_> = differing.map(|(a, _)| a.name.clone()).collect();
    if sessions.is_empty() { Ok((first, second)) } else { Err(PairingError::Truth { sessions }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(matched: &[u64]) -> Vec<Outcome> {
        let one = |(i, matched): (usize, &u64)| Outcome {
            name: format!("s{i}"),
            tally: Tally {
                changes: 10,
                events: 10,
                matched: *matched,
                moment_error: 0.1 * *matched as f64,
                recorded: 40.0,
                ..Tally::default()
            },
            ..Outcome::default()
        };
        matched.iter().enumerate().map(one).collect()
    }

    fn verdict(first: &[u64], second: &[u64], figure: Figure) -> Verdict {
        let all = compare(&outcomes(first), &outcomes(second)).unwrap();
        all.into_iter().find(|d| d.figure == figure).unwrap().verdict
    }

    #[test]
    fn better_only_when_the_interval_excludes_zero() {
        let low = [3, 5, 4, 6, 2, 5, 4, 3];
        let high = [5, 6, 6, 7, 4, 6, 6, 5];
        assert_eq!(verdict(&low, &high, Figure::EventF1), Verdict::Better);
        assert_eq!(verdict(&high, &low, Figure::EventF1), Verdict::Worse);
        // As good on average, once better and once worse.
        assert_eq!(verdict(&[5, 6, 5, 6, 5, 6], &[6, 5, 6, 5, 6, 5], Figure::EventF1), Verdict::NotTold);
        assert_eq!(verdict(&low, &low, Figure::EventF1), Verdict::NotTold);
        // Nothing to measure it on.
        assert_eq!(verdict(&low, &high, Figure::Specificity), Verdict::TooFew);
        // Better in five sessions of five may be chance.
        assert_eq!(verdict(&low[..5], &high[..5], Figure::EventF1), Verdict::TooFew);
    }

    #[test]
    fn pairing_makes_small_differences_visible() {
        // Sessions differ much among themselves, and the second is a little better in each.
        let first: Vec<u64> = (0..30).map(|i| i % 9).collect();
        let second: Vec<u64> = first.iter().map(|n| n + 1).collect();
        assert_eq!(verdict(&first, &second, Figure::Recall), Verdict::Better);
    }

    #[test]
    fn other_sessions_and_other_truths_are_refused() {
        let (a, mut b) = (outcomes(&[1, 2, 3]), outcomes(&[1, 2]));
        b.push(Outcome { name: "x".into(), ..Outcome::default() });
        let error = compare(&a, &b).unwrap_err().to_string();
        assert_eq!(error, "not the same sessions: only the first has 1 (s2); only the second has 1 (x)");
        let mut c = outcomes(&[1, 2, 3]);
        c[1].tally.changes = 11;
        let error = compare(&a, &c).unwrap_err().to_string();
        assert_eq!(error, "not the same truth in 1 session(s): s1");
        // The order does not matter.
        let mut d = a.clone();
        d.reverse();
        assert!(compare(&a, &d).is_ok());
    }
}
