//! Pictures with boxes, whatever format they are kept in.

use crate::recording::{Seen, Thing, View};

use super::classes;

/// A box and its class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) class: usize,
    /// Left, top, right, bottom; pixels of the picture that is kept.
    pub(super) bounds: [f64; 4],
    /// `None` where the format does not keep it.
    pub(super) visibility: Option<f64>,
}

impl Label {
    pub(super) fn width(&self) -> f64 {
        self.bounds[2] - self.bounds[0]
    }

    pub(super) fn height(&self) -> f64 {
        self.bounds[3] - self.bounds[1]
    }

    /// What is wrong with it in a picture of this size with so many classes. `slack`: pixels that rounding may have
    /// moved it.
    pub(super) fn fault(&self, (width, height): (u32, u32), classes: usize, slack: f64) -> Option<String> {
        let Self { class, bounds, .. } = self;
        let [x0, y0, x1, y1] = *bounds;
        if *class >= classes {
            return Some(format!("there is no class {class}, only {classes}"));
        }
        if bounds.iter().any(|side| !side.is_finite()) {
            return Some(format!("the box {bounds:?} holds something that is no number"));
        }
        if x0 >= x1 || y0 >= y1 {
            return Some(format!("the box {bounds:.2?} is empty or inverted"));
        }
        let out =
            x0 < -slack || y0 < -slack || x1 > f64::from(width) + slack || y1 > f64::from(height) + slack;
        out.then(|| format!("the box {bounds:.2?} is out of the frame of {width}x{height}"))
    }
}

/// Which boxes are good enough to learn from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    /// Share of the thing that is visible.
    pub(super) visibility: f64,
    /// Pixels of the kept picture, both sides.
    pub(super) side: f64,
}

/// The labels of a view, at the size that is kept, and how many boxes were left out.
pub(super) fn of(
    view: &View,
    from: (u32, u32),
    to: (u32, u32),
    items: usize,
    least: Least,
) -> (Vec<Label>, usize) {
    let scale = [f64::from(to.0) / f64::from(from.0), f64::from(to.1) / f64::from(from.1)];
    let label = |seen: &Seen| {
        let [x0, y0, x1, y1] = seen.bounds.map(f64::from);
        Label {
            class: classes::index(seen.thing, items),
            bounds: [x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1]],
            visibility: Some(f64::from(seen.visibility)),
        }
    };
    let good = |seen: &Seen, label: &Label| {
        // How much of a hand is visible means little: its arm goes on beyond the picture.
        (seen.thing == Thing::Hand || f64::from(seen.visibility) >= least.visibility)
            && label.width() >= least.side
            && label.height() >= least.side
    };
    let labels: Vec<_> =
        view.boxes.iter().map(|seen| (seen, label(seen))).filter(|(seen, label)| good(seen, label)).collect();
    let left_out = view.boxes.len() - labels.len();
    (labels.into_iter().map(|(_, label)| label).collect(), left_out)
}
