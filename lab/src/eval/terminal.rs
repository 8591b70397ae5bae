//! What is said at the end.

use std::{fmt::Write as _, path::Path};

use serde_json::json;

use super::report::Report;
use super::table;

/// The figures, the gates, and where the rest is.
pub(super) fn text(report: &Report, out: &Path) -> String {
    let data = &report.data;
    let mut text = format!(
        "{} session(s), {:.2} h, {} changes, {} null episodes\n",
        data.sessions,
        data.recorded_hours,
        data.changes,
        data.null_episodes.map_or("no".to_owned(), |n| n.to_string())
    );
    for estimate in &report.figures {
        let figure = estimate.figure;
        let _ = writeln!(
            text,
            "  {:<19} {:>10}   {:<20} {}",
            figure.title(),
            table::value(figure, estimate.value),
            table::interval(figure, estimate.interval),
            table::count(estimate)
        );
    }
    if let Some(comparison) = &report.comparison {
        let _ = writeln!(text, "against {}", comparison.with.display());
        for difference in &comparison.figures {
            let figure = difference.figure;
            let _ = writeln!(
                text,
                "  {:<19} {:>10}   {:<20} {}",
                figure.title(),
                table::difference(difference),
                table::interval(figure, difference.interval),
                super::html::verdict(difference.verdict)
            );
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for gate in &report.gates {
        let _ = writeln!(text, "gate {}", gate.sentence());
    }
    let _ = writeln!(text, "{}", report.caveat);
    let _ = write!(text, "report: {}", out.join("index.html").display());
    text
}

/// The same as one JSON object: what report.json holds, but for the long lists.
pub(super) fn json(report: &Report, out: &Path) -> String {
    json!({
        "report": out.join("index.html"),
        "source": report.source,
        "data": report.data,
        "figures": report.figures,
        "comparison": report.comparison,
        "gates": report.gates,
        "missed": report.missed().map(|gate| gate.figure.key()).collect::<Vec<_>>(),
        "notes": report.notes,
        "caveat": report.caveat,
    })
    .to_string()
}
