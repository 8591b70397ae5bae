//! Numbers as they are shown.

use cartvision_metric::{Difference, Estimate, Figure, Interval};

/// A figure's value with its unit.
pub(super) fn value(figure: Figure, value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{}{}", number(figure, value), unit(figure)))
}

/// An interval, without unit.
pub(super) fn interval(figure: Figure, interval: Option<Interval>) -> String {
    match interval {
        Some(Interval { low, high, .. }) => format!("{} to {}", number(figure, low), number(figure, high)),
        None => "–".to_owned(),
    }
}

/// What a figure was computed from.
pub(super) fn count(estimate: &Estimate) -> String {
    let Estimate { figure, hits, of, .. } = estimate;
    match (figure, hits) {
        (Figure::FalsePerHour, Some(hits)) => format!("{hits} in {of:.2} h"),
        (Figure::OverchargedPer100 | Figure::UnderchargedPer100, Some(hits)) => {
            format!("{hits} for {:.0} items", of * 100.0)
        }
        (Figure::EventF1 | Figure::ActionF1, Some(hits)) => {
            format!("{hits} pairs, {:.0} alone", of - *hits as f64)
        }
        (_, Some(hits)) => format!("{hits} of {of:.0}"),
        (_, None) => format!("n = {of:.0}"),
    }
}

/// A difference, with its sign and unit.
pub(super) fn difference(of: &Difference) -> String {
    let Some(difference) = of.difference else { return "–".to_owned() };
    let sign = if difference > 0.0 { "+" } else { "" };
    format!("{sign}{}{}", number(of.figure, difference), unit(of.figure))
}

fn number(figure: Figure, value: f64) -> String {
    match figure.unit() {
        "" => format!("{value:.4}"),
        "s" => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

fn unit(figure: Figure) -> String {
    match figure.unit() {
        "" => String::new(),
        unit @ ("/h" | "/100") => unit.to_owned(),
        unit => format!(" {unit}"),
    }
}
