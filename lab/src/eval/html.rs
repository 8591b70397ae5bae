//! The report as one page that loads nothing: style, drawings and pictures are in it. It follows the reader's choice of
//! light or dark, and wide tables scroll by themselves on a narrow screen.

mod sections;

use std::fmt::{self, Write as _};

use cartvision_metric::Verdict;

use super::report::{Report, Source};

const STYLE: &str = include_str!("report.css");

/// Text that may hold anything, safe in HTML.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The page.
pub(super) fn page(report: &Report) -> String {
    let title = match &report.source {
        Source::Bundle { identity, .. } => format!("Evaluation of {identity}"),
        Source::Events { .. } => "Evaluation of recorded events".to_owned(),
        Source::PerfectBoxes { .. } => "Evaluation of the decision on perfect boxes".to_owned(),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\
         <title>{0}</title>\n<style>\n{STYLE}</style>\n<h1>{0}</h1>\n",
        Escaped(&title)
    );
    head(&mut page, report);
    sections::gates(&mut page, &report.gates);
    sections::figures(&mut page, report);
    if let Some(comparison) = &report.comparison {
        sections::comparison(&mut page, comparison);
    }
    sections::plots(&mut page, report);
    sections::breakdowns(&mut page, &report.breakdowns);
    sections::confusions(&mut page, report);
    sections::worst(&mut page, &report.worst);
    sections::sessions(&mut page, &report.sessions);
    page
}

/// What was measured, on what, with what.
fn head(page: &mut String, report: &Report) {
    let data = &report.data;
    let _ = write!(page, "<p class=caveat>{}", Escaped(report.caveat));
    let others: usize = data.splits.iter().filter(|(split, _)| *split != "test").map(|(_, n)| n).sum();
    if others > 0 {
        let _ = write!(
            page,
            " {others} of {} session(s) are not of the test split: these figures are no result.",
            data.sessions
        );
    }
    page.push_str("</p>\n<dl>");
    let mut row = |name: &str, what: String| {
        let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", Escaped(what));
    };
    let paths = |paths: &[std::path::PathBuf]| {
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    row("Data", paths(&data.from));
    row(
        "Size",
        format!(
            "{} session(s), {:.2} h, {} changes, {}",
            data.sessions,
            data.recorded_hours,
            data.changes,
            data.null_episodes.map_or("no episodes".to_owned(), |n| format!("{n} null episodes"))
        ),
    );
    for (name, counts) in [
        ("Split", &data.splits),
        ("Difficulty", &data.difficulties),
        ("Cameras", &data.cameras),
        ("Made by", &data.generators),
    ] {
        let counts: Vec<_> = counts.iter().map(|(value, n)| format!("{value} ({n})")).collect();
        row(name, counts.join(", "));
    }
    match &report.source {
        Source::Bundle { identity, directory, digest, cartvisiond, cartvisiond_sha256 } => {
            row("Bundle", format!("{identity}, {}, SHA-256 of bundle.toml {digest}", directory.display()));
            row("Program", format!("{}, SHA-256 {cartvisiond_sha256}", cartvisiond.display()));
        }
        Source::Events { path } => row("Events", path.display().to_string()),
        Source::PerfectBoxes { classifier } => {
            row("Detector", "none: the truth's own boxes".to_owned());
            row("Temporal classifier", classifier.clone().unwrap_or_else(|| "analytic".to_owned()));
        }
    }
    let method = &report.method;
    row(
        "Method",
        format!(
            "cartlab {}: moments within [start, end + {} s], decided within {} s of the end; 95 % intervals from {} \
             resamples of sessions (seed {:#x}), exact ones where fewer than ten cases or exceptions were seen",
            method.cartlab, method.tolerance_s, method.decided_within_s, method.resamples, method.seed
        ),
    );
    page.push_str("</dl>\n");
    if !report.notes.is_empty() {
        page.push_str("<ul>");
        for note in &report.notes {
            let _ = write!(page, "<li>{}</li>", Escaped(note));
        }
        page.push_str("</ul>\n");
    }
}

/// What a comparison says, in words.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NotTold => "no difference told",
        Verdict::TooFew => "too few sessions to tell",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        let text = Escaped("<b a=\"x\" c='y'>&").to_string();
        assert_eq!(text, "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;");
    }
}
