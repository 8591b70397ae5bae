//! Gates: what a bundle has to reach. They compare the bound of the interval, never the figure.

use cartvision_metric::{Better, Estimate, Figure, Interval};
use serde::Serialize;

/// The gates that can be asked for.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Gates (the answer is \"no\", exit code 1, where one is missed)")]
pub(super) struct Gates {
    /// At least this event F1
    #[arg(long, value_name = "X", value_parser = share)]
    min_event_f1: Option<f64>,
    /// At least this action F1
    #[arg(long, value_name = "X", value_parser = share)]
    min_action_f1: Option<f64>,
    /// At least this specificity
    #[arg(long, value_name = "X", value_parser = share)]
    min_specificity: Option<f64>,
    /// At least this basket accuracy over sessions of 3 to 15 changes
    #[arg(long, value_name = "X", value_parser = share)]
    min_cacc: Option<f64>,
    /// At least this coverage
    #[arg(long, value_name = "X", value_parser = share)]
    min_coverage: Option<f64>,
    /// At least this identity accuracy
    #[arg(long, value_name = "X", value_parser = share)]
    min_identity: Option<f64>,
    /// At most this mean moment error, seconds
    #[arg(long, value_name = "S", value_parser = amount)]
    max_moment_error: Option<f64>,
    /// At most this mean decision delay, seconds
    #[arg(long, value_name = "S", value_parser = amount)]
    max_decision_delay: Option<f64>,
    /// At most so many false events an hour
    #[arg(long, value_name = "N", value_parser = amount)]
    max_false_per_hour: Option<f64>,
    /// At most this calibration error
    #[arg(long, value_name = "X", value_parser = share)]
    max_calibration_error: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "give a number from 0 to 1".to_owned())
}

fn amount(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| x.is_finite() && *x >= 0.0);
    number.ok_or_else(|| "give a number that is not negative".to_owned())
}

/// A gate, and whether it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Gate {
    pub(super) figure: Figure,
    /// What was asked.
    pub(super) limit: f64,
    /// The bound that was compared with it; none where too little was seen for an interval.
    pub(super) bound: Option<f64>,
    pub(super) held: bool,
}

impl Gates {
    fn asked(&self) -> impl Iterator<Item = (Figure, f64)> {
        [
            (Figure::EventF1, self.min_event_f1),
            (Figure::ActionF1, self.min_action_f1),
            (Figure::Specificity, self.min_specificity),
            (Figure::UsualBasketAccuracy, self.min_cacc),
            (Figure::Coverage, self.min_coverage),
            (Figure::IdentityAccuracy, self.min_identity),
            (Figure::MomentError, self.max_moment_error),
            (Figure::DecisionDelay, self.max_decision_delay),
            (Figure::FalsePerHour, self.max_false_per_hour),
            (Figure::CalibrationError, self.max_calibration_error),
        ]
        .into_iter()
        .filter_map(|(figure, limit)| Some((figure, limit?)))
    }

    /// Holds the figures against what was asked. A figure without an interval meets no gate: it was not measured.
    pub(super) fn judge(&self, figures: &[Estimate]) -> Vec<Gate> {
        let one = |(figure, limit): (Figure, f64)| {
            let interval = figures.iter().find(|e| e.figure == figure).and_then(|e| e.interval);
            let bound = interval.map(|Interval { low, high, .. }| match figure.better() {
                Better::Higher => low,
                Better::Lower => high,
            });
            let held = bound.is_some_and(|bound| match figure.better() {
                Better::Higher => bound >= limit,
                Better::Lower => bound <= limit,
            });
            Gate { figure, limit, bound, held }
        };
        self.asked().map(one).collect()
    }
}

impl Gate {
    /// In one sentence.
    pub(super) fn sentence(&self) -> String {
        let Self { figure, limit, bound, held } = self;
        let (side, relation) = match figure.better() {
            Better::Higher => ("lower", "at least"),
            Better::Lower => ("upper", "at most"),
        };
        let unit = figure.unit();
        let found = match bound {
            Some(bound) => format!("the {side} bound is {bound:.4}{unit}"),
            None => "too few sessions for an interval".to_owned(),
        };
        let verdict = if *held { "held" } else { "missed" };
        format!("{verdict}: {} {relation} {limit}{unit}: {found}", figure.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cartvision_metric::Method;

    #[test]
    fn gates_compare_the_bound_that_is_harder_to_meet() {
        let estimate = |figure, value, interval: Option<(f64, f64)>| Estimate {
            figure,
            value: Some(value),
            hits: None,
            of: 10.0,
            interval: interval.map(|(low, high)| Interval { low, high, method: Method::Bootstrap }),
        };
        let figures = [
            estimate(Figure::EventF1, 0.97, Some((0.94, 0.99))),
            estimate(Figure::MomentError, 0.2, Some((0.1, 0.3))),
            estimate(Figure::Specificity, 1.0, None),
        ];
        for (gates, held, words) in [
            (Gates { min_event_f1: Some(0.94), ..Gates::default() }, true, "held: event F1 at least 0.94"),
            (Gates { min_event_f1: Some(0.95), ..Gates::default() }, false, "the lower bound is 0.9400"),
            (Gates { max_moment_error: Some(0.3), ..Gates::default() }, true, "0.3000s"),
            (
                Gates { max_moment_error: Some(0.25), ..Gates::default() },
                false,
                "missed: moment error at most",
            ),
            (Gates { min_specificity: Some(0.1), ..Gates::default() }, false, "too few sessions"),
            (Gates { min_cacc: Some(0.1), ..Gates::default() }, false, "too few sessions"),
        ] {
            let judged = gates.judge(&figures);
            assert_eq!(judged.len(), 1);
            assert_eq!(judged[0].held, held, "{judged:?}");
            assert!(judged[0].sentence().contains(words), "{}", judged[0].sentence());
        }
        assert_eq!(Gates::default().judge(&figures), []);
    }

    #[test]
    fn limits_are_numbers_that_can_be_met() {
        for bad in ["1.1", "-0.1", "nan", "x", "inf"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert!(amount("-1").is_err() && amount("inf").is_err() && amount("NaN").is_err());
        assert_eq!((share("0.95"), amount("12")), (Ok(0.95), Ok(12.0)));
    }
}
