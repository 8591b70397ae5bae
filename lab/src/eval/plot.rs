//! Drawings in SVG. Colours are the page's (classes `line`, `mark`, `faint`), so that they follow light and dark.

use std::fmt::Write as _;

use cartvision_metric::{Bin, Interval, Risk};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// A frame with two axes.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
    svg: String,
}

impl Axes {
    fn new(title: &str, x: (f64, f64), y: (f64, f64), x_name: &str, y_name: &str) -> Self {
        let mut svg = format!(
            "<svg class=plot viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{title}\"><title>{title}</title>"
        );
        let axes = Self { x, y, svg: String::new() };
        for i in 0..=4 {
            let share = f64::from(i) / 4.0;
            let (vx, vy) = (x.0 + share * (x.1 - x.0), y.0 + share * (y.1 - y.0));
            let (px, py) = (axes.px(vx), axes.py(vy));
            let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
            let _ = write!(
                svg,
                "<path class=faint d=\"M{LEFT} {py:.1}H{right}M{px:.1} {TOP}V{bottom}\"/>\
                 <text x={:.1} y={:.1} text-anchor=end>{}</text><text x={px:.1} y={:.1} text-anchor=middle>{}</text>",
                LEFT - 5.0,
                py + 4.0,
                tick(vy),
                bottom + 15.0,
                tick(vx)
            );
        }
        let (middle, side) = ((LEFT + WIDTH - RIGHT) / 2.0, (TOP + HEIGHT - BOTTOM) / 2.0);
        let _ = write!(
            svg,
            "<text x={middle} y={} text-anchor=middle>{x_name}</text>\
             <text transform=\"translate(11 {side}) rotate(-90)\" text-anchor=middle>{y_name}</text>",
            HEIGHT - 6.0
        );
        Self { svg, ..axes }
    }

    fn px(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn py(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (y - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn end(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }
}

/// A number on an axis: no more decimals than it needs.
fn tick(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The next round number above: 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|round| *round >= value).unwrap_or(value)
}

/// The share of wrong decisions against the share that is given.
pub(super) fn risk_coverage(points: &[Risk]) -> String {
    let most = points.iter().map(|p| p.risk).fold(0.01, f64::max);
    let mut axes =
        Axes::new("Risk against coverage", (0.0, 1.0), (0.0, round_up(most).min(1.0)), "coverage", "risk");
    // Between two thresholds nothing changes: steps.
    let mut path = String::new();
    for point in points {
        let (x, y) = (axes.px(point.coverage), axes.py(point.risk));
        let _ = if path.is_empty() { write!(path, "M{x:.1} {y:.1}") } else { write!(path, "H{x:.1}V{y:.1}") };
    }
    let _ = write!(axes.svg, "<path class=line d=\"{path}\"/>");
    for point in points.iter().filter(|_| points.len() <= 30) {
        let (x, y) = (axes.px(point.coverage), axes.py(point.risk));
        let _ = write!(
            axes.svg,
            "<circle class=mark cx={x:.1} cy={y:.1} r=3><title>confidence ≥ {:.4}: coverage {:.3}, risk {:.3}</title></circle>",
            point.threshold, point.coverage, point.risk
        );
    }
    axes.end()
}

/// Accuracy against confidence, bin by bin.
pub(super) fn reliability(bins: &[Bin]) -> String {
    let mut axes =
        Axes::new("Reliability", (0.0, 1.0), (0.0, 1.0), "stated confidence", "share that was right");
    let (x0, y0, x1, y1) = (axes.px(0.0), axes.py(0.0), axes.px(1.0), axes.py(1.0));
    let _ = write!(axes.svg, "<path class=ideal d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\"/>");
    for bin in bins {
        let (x, y, ideal) = (axes.px(bin.confidence), axes.py(bin.accuracy), axes.py(bin.confidence));
        let _ = write!(
            axes.svg,
            "<path class=gap d=\"M{x:.1} {ideal:.1}V{y:.1}\"/><circle class=mark cx={x:.1} cy={y:.1} r=4>\
             <title>{} decisions: confidence {:.3}, right {:.3}</title></circle>",
            bin.count, bin.confidence, bin.accuracy
        );
    }
    axes.end()
}

/// How often a match lies how far from the change's end. The rule lets no moment lie further than a second after it.
pub(super) fn offsets(offsets: &[f64]) -> String {
    const BARS: usize = 40;
    let far = offsets.iter().fold(0.1_f64, |far, offset| far.max(offset.abs()));
    let reach = round_up(far);
    let mut counts = [0_u64; BARS];
    for offset in offsets {
        let place = ((offset + reach) / (2.0 * reach) * BARS as f64) as usize;
        counts[place.min(BARS - 1)] += 1;
    }
    // Four whole steps.
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let top = (most.div_ceil(4) * 4) as f64;
    let mut axes = Axes::new(
        "Moment error",
        (-reach, reach),
        (0.0, top),
        "moment − end, seconds (left: early)",
        "matches",
    );
    let width = (axes.px(reach) - axes.px(-reach)) / BARS as f64;
    let ground = axes.py(0.0);
    for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let from = -reach + i as f64 * 2.0 * reach / BARS as f64;
        let (x, y) = (axes.px(from), axes.py(*count as f64));
        let _ = write!(
            axes.svg,
            "<rect class=bar x={x:.1} y={y:.1} width={:.1} height={:.1}><title>{count} from {from:.3} s</title></rect>",
            width - 0.6,
            ground - y
        );
    }
    let (zero, top) = (axes.px(0.0), TOP);
    let _ = write!(axes.svg, "<path class=ideal d=\"M{zero:.1} {top}V{ground:.1}\"/>");
    axes.end()
}

/// A share and its interval on a line from 0 to 1, as small as a word.
pub(super) fn share(value: f64, interval: Option<Interval>) -> String {
    let x = |share: f64| 2.0 + share.clamp(0.0, 1.0) * 76.0;
    let mut svg = String::from(
        "<svg class=share viewBox=\"0 0 80 12\" aria-hidden=true><path class=faint d=\"M2 6H78\"/>",
    );
    if let Some(Interval { low, high, .. }) = interval {
        let _ = write!(svg, "<path class=spread d=\"M{:.1} 6H{:.1}\"/>", x(low), x(high));
    }
    let _ = write!(svg, "<circle class=mark cx={:.1} cy=6 r=3 /></svg>", x(value));
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, round) in [(0.013, 0.02), (0.5, 0.5), (7.0, 10.0), (1.0, 1.0), (230.0, 500.0)] {
            assert!((round_up(value) - round).abs() < 1e-12, "{value}: {}", round_up(value));
        }
        assert_eq!([tick(0.25), tick(1.0), tick(-0.0), tick(20.0)], ["0.25", "1", "0", "20"]);
    }

    #[test]
    fn empty_data_make_empty_drawings() {
        for svg in [risk_coverage(&[]), reliability(&[]), offsets(&[])] {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn every_match_is_in_the_histogram() {
        let svg = offsets(&[-0.2, -0.2, 0.0, 0.2, 1.0]);
        let counted: u64 =
            svg.split("<title>").filter_map(|part| part.split_once(" from ")?.0.parse::<u64>().ok()).sum();
        assert_eq!(counted, 5);
    }
}
