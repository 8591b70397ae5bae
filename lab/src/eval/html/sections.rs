//! The parts of the page below its head.

use std::fmt::Write as _;

use cartvision_metric::{Breakdown, Estimate, Figure, Group, Method, Outcome, Verdict};

use super::super::comparison::Comparison;
use super::super::gates::Gate;
use super::super::report::{Report, Source};
use super::super::sheets::{Sheet, Strip, Who};
use super::super::{plot, table};
use super::{Escaped, verdict};

/// Items in tables: the rest is in report.json.
const MAX_ROWS: usize = 60;

pub(super) fn gates(page: &mut String, gates: &[Gate]) {
    if gates.is_empty() {
        return;
    }
    page.push_str("<h2>Gates</h2>\n<ul>");
    for gate in gates {
        let class = if gate.held { "good" } else { "bad" };
        let _ = write!(page, "<li class={class}>{}</li>", Escaped(gate.sentence()));
    }
    page.push_str("</ul>\n");
}

pub(super) fn figures(page: &mut String, report: &Report) {
    let before = report.figures_before_cloud.as_deref();
    page.push_str(
        "<h2>Figures</h2>\n<div class=wide><table><thead><tr><th>figure<th>value<th>95 % interval<th>count",
    );
    page.push_str(if before.is_some() { "<th>before the cloud" } else { "" });
    page.push_str("<th>what it is</thead>\n");
    for (place, estimate) in report.figures.iter().enumerate() {
        let figure = estimate.figure;
        let _ = write!(
            page,
            "<tr><th>{}<td class=n>{}<td>{}{}<td>{}",
            figure.title(),
            table::value(figure, estimate.value),
            table::interval(figure, estimate.interval),
            method(estimate),
            table::count(estimate)
        );
        if let Some(before) = before.and_then(|before| before.get(place)) {
            let interval = table::interval(figure, before.interval);
            let _ = write!(page, "<td>{}<small>{interval}</small>", table::value(figure, before.value));
        }
        let _ = writeln!(page, "<td class=says>{}", figure.definition());
    }
    page.push_str("</table></div>\n");
}

fn method(estimate: &Estimate) -> &'static str {
    match estimate.interval.map(|interval| interval.method) {
        Some(Method::ClopperPearson) => "<small>Clopper–Pearson</small>",
        Some(Method::Garwood) => "<small>Garwood (Poisson)</small>",
        Some(Method::Bootstrap) => "<small>bootstrap</small>",
        None => "",
    }
}

pub(super) fn comparison(page: &mut String, comparison: &Comparison) {
    let other = match &comparison.source {
        Source::Bundle { identity, .. } => format!("{identity} ({})", comparison.with.display()),
        Source::Events { path } => format!("events {} ({})", path.display(), comparison.with.display()),
        Source::PerfectBoxes { .. } => format!("perfect boxes ({})", comparison.with.display()),
    };
    let _ = write!(
        page,
        "<h2>Compared</h2>\n<p>With {}, on the same sessions, paired. Better or worse is said only where the interval of \
         the difference excludes zero.</p>\n<div class=wide><table><thead><tr><th>figure<th>other<th>this<th>difference\
         <th>95 % interval<th>verdict</thead>\n",
        Escaped(other)
    );
    for difference in &comparison.figures {
        let figure = difference.figure;
        let class = match difference.verdict {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::NotTold | Verdict::TooFew => "soft",
        };
        let _ = writeln!(
            page,
            "<tr><th>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>{}<td class={class}>{}",
            figure.title(),
            table::value(figure, difference.first),
            table::value(figure, difference.second),
            table::difference(difference),
            table::interval(figure, difference.interval),
            verdict(difference.verdict)
        );
    }
    page.push_str("</table></div>\n");
}

pub(super) fn plots(page: &mut String, report: &Report) {
    let decisions: u64 = report.reliability.iter().map(|bin| bin.count).sum();
    let offsets: Vec<f64> =
        report.sessions.iter().flat_map(|session| session.offsets.iter().copied()).collect();
    let drawings = [
        (
            decisions > 0,
            plot::risk_coverage(&report.risk_coverage),
            format!(
                "Risk–coverage: the share of wrong ones among decisions at least so confident; {decisions} decisions, \
             unresolved ones by their best guess."
            ),
        ),
        (
            decisions > 0,
            plot::reliability(&report.reliability),
            format!(
                "Reliability: {} bins of equal mass over {decisions} decisions; on the dashed line confidence is probability.",
                report.reliability.len()
            ),
        ),
        (
            !offsets.is_empty(),
            plot::offsets(&offsets),
            format!("Moment error: {} matches; the dashed line is the change's end.", offsets.len()),
        ),
    ];
    if drawings.iter().all(|(there, ..)| !there) {
        return;
    }
    page.push_str("<h2>Confidence and moments</h2>\n<div class=plots>");
    for (_, drawing, caption) in drawings.iter().filter(|(there, ..)| *there) {
        let _ = write!(page, "<figure>{drawing}<figcaption>{caption}</figcaption></figure>");
    }
    page.push_str("</div>\n");
}

pub(super) fn breakdowns(page: &mut String, breakdowns: &[Breakdown]) {
    if breakdowns.is_empty() {
        return;
    }
    page.push_str("<h2>Broken down</h2>\n");
    for breakdown in breakdowns {
        let _ = write!(
            page,
            "<h3>By {}</h3>\n<div class=wide><table><thead><tr><th>{0}<th>sessions<th>changes<th>null episodes",
            Escaped(&breakdown.by)
        );
        // Columns in which something stands.
        let measured = |figure: Figure| {
            let has = |group: &Group| group.figures.iter().any(|e| e.figure == figure && e.value.is_some());
            breakdown.groups.iter().any(has)
        };
        let shown = |group: &Group| -> Vec<Estimate> {
            group.figures.iter().filter(|e| measured(e.figure)).copied().collect()
        };
        for estimate in breakdown.groups.first().map(&shown).unwrap_or_default() {
            let _ = write!(page, "<th>{}", estimate.figure.title());
        }
        page.push_str("</thead>\n");
        for group in breakdown.groups.iter().take(MAX_ROWS) {
            let _ = write!(page, "<tr><th>{}", Escaped(&group.name));
            if let Some(label) = &group.label {
                let _ = write!(page, "<br><small>{}</small>", Escaped(label));
            }
            let _ = write!(
                page,
                "<td class=n>{}<td class=n>{}<td class=n>{}",
                group.sessions, group.changes, group.null_episodes
            );
            for estimate in &shown(group) {
                // An F1 without any change to find is 0 for one false event: the specificity says more.
                let empty =
                    group.changes == 0 && matches!(estimate.figure, Figure::EventF1 | Figure::ActionF1);
                cell(page, estimate, empty);
            }
            page.push('\n');
        }
        page.push_str("</table></div>\n");
        left_out(page, breakdown.groups.len());
    }
}

fn cell(page: &mut String, estimate: &Estimate, empty: bool) {
    let figure = estimate.figure;
    let Some(value) = estimate.value.filter(|_| !empty) else {
        page.push_str("<td class=soft>–");
        return;
    };
    let bar = if figure.unit().is_empty() { plot::share(value, estimate.interval) } else { String::new() };
    let _ = write!(
        page,
        "<td>{} {bar}<small>{}</small><small>{}</small>",
        table::value(figure, estimate.value),
        table::interval(figure, estimate.interval),
        table::count(estimate)
    );
}

fn left_out(page: &mut String, rows: usize) {
    if rows > MAX_ROWS {
        let _ = writeln!(page, "<p class=soft>{} more in report.json.</p>", rows - MAX_ROWS);
    }
}

pub(super) fn confusions(page: &mut String, report: &Report) {
    let twins = &report.twins;
    if report.confusions.is_empty() && twins.of == 0 {
        return;
    }
    page.push_str("<h2>Confused items</h2>\n");
    if twins.of > 0 {
        let interval =
            twins.interval.map(|i| format!(" (95 %: {:.4} to {:.4})", i.low, i.high)).unwrap_or_default();
        let _ = writeln!(
            page,
            "<p>Of {} changes of items that have near-twins, {} were taken for a twin{interval}.</p>",
            twins.of, twins.confused
        );
    }
    if report.confusions.is_empty() {
        return;
    }
    page.push_str(
        "<div class=wide><table><thead><tr><th>it was<th>the cart said<th>times<th>near-twins</thead>\n",
    );
    for confusion in report.confusions.iter().take(MAX_ROWS) {
        let _ = writeln!(
            page,
            "<tr><th>{}<td>{}<td class=n>{}<td>{}",
            Escaped(&confusion.truth),
            Escaped(&confusion.said),
            confusion.count,
            if confusion.twins { "yes" } else { "" }
        );
    }
    page.push_str("</table></div>\n");
    left_out(page, report.confusions.len());
}

pub(super) fn worst(page: &mut String, sheets: &[Sheet]) {
    if sheets.is_empty() {
        return;
    }
    page.push_str("<h2>The worst episodes</h2>\n<p>Most errors (missed changes and events that match none) first, then the \
                   largest moment errors above 0.3 s.</p>\n");
    for sheet in sheets {
        let acts = if sheet.acts.is_empty() { String::new() } else { format!(": {}", sheet.acts.join(", ")) };
        let _ = write!(
            page,
            "<article><h3>{}, {:.1} to {:.1} s{}</h3><p>{} missed, {} extra",
            Escaped(&sheet.session),
            sheet.start,
            sheet.end,
            Escaped(acts),
            sheet.missed,
            sheet.extra
        );
        if sheet.moment_error > 0.0 {
            let _ = write!(page, ", moment error up to {:.3} s", sheet.moment_error);
        }
        page.push_str("</p>");
        sheet.strips.iter().for_each(|strip| pictures(page, strip));
        page.push_str("<ol class=told>");
        for line in &sheet.lines {
            let who = if line.who == Who::Truth { "truth" } else { "cart" };
            let class = if line.good { "good" } else { "bad" };
            let _ = write!(
                page,
                "<li><span class=who>{who}</span> {} – <span class={class}>{}</span></li>",
                Escaped(&line.what),
                line.verdict
            );
        }
        page.push_str("</ol></article>\n");
    }
}

fn pictures(page: &mut String, strip: &Strip) {
    let _ = write!(page, "<small>{}</small><div class=strip>", Escaped(&strip.camera));
    for picture in &strip.pictures {
        let _ = write!(
            page,
            "<figure><img alt=\"{0}, {1:.2} s\" src=\"data:image/jpeg;base64,{2}\"><figcaption>{1:.2} s</figcaption></figure>",
            Escaped(&strip.camera),
            picture.at,
            picture.jpeg
        );
    }
    page.push_str("</div>");
}

pub(super) fn sessions(page: &mut String, sessions: &[Outcome]) {
    let _ = write!(
        page,
        "<h2>Sessions</h2>\n<details><summary>{} session(s)</summary><div class=wide><table><thead><tr><th>session<th>changes\
         <th>matched<th>events<th>false<th>unresolved<th>null episodes<th>silent<th>basket</thead>\n",
        sessions.len()
    );
    for Outcome { name, tally: t, .. } in sessions {
        let basket = if t.right_baskets > 0 { "right" } else { "<span class=bad>wrong</span>" };
        let _ = writeln!(
            page,
            "<tr><th>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>{basket}",
            Escaped(name),
            t.changes,
            t.matched,
            t.events,
            t.false_acts,
            t.unresolved,
            t.null_episodes,
            t.silent_episodes
        );
    }
    page.push_str("</table></div></details>\n");
}
