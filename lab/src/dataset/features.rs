//! What a temporal classifier sees of a track in one picture: the one place where that is defined.
//!
//! Every value comes from this picture and earlier ones, in units that depend neither on the picture's size nor on the
//! camera's rate. Change a meaning, add or remove a column, and [`VERSION`] goes up: a classifier is only used with
//! the version that it was trained with.

use cartvision_core::{BBox, Point, Zone};
use serde::Serialize;

/// Of the columns' meaning.
pub(super) const VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) meaning: &'static str,
}

const fn column(name: &'static str, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, unit, meaning }
}

const COUNT: usize = 12;

/// One row: the columns' values.
pub(super) type Row = [f32; COUNT];

/// Before a track's first sighting all is 0. In a gap the box stays where it was last seen.
pub(super) const COLUMNS: [Column; COUNT] = [
    column("seen", "0 or 1", "1 where the track is seen in this picture, 0 in a gap"),
    column("x", "share of the picture's width", "centre of the box"),
    column("y", "share of the picture's height", "centre of the box"),
    column("width", "share of the picture's width", "of the box"),
    column("height", "share of the picture's height", "of the box"),
    column(
        "vx",
        "shares of the width a second",
        "from the last sighting to this one; 0 in a gap and at first",
    ),
    column(
        "vy",
        "shares of the height a second",
        "from the last sighting to this one; 0 in a gap and at first",
    ),
    column("score", "0 to 1", "of the detection (visibility, where boxes are truth); 0 in a gap"),
    column("in_zone", "share of the box", "that lies in the zone, by a grid of 8 by 8 points"),
    column("under_hand", "share of the box", "that the hand which covers most of it covers"),
    column("rest_s", "seconds, at most 5", "since the box last left its place; stands still in a gap"),
    column("gap_s", "seconds, at most 5", "since the last sighting; 0 where seen"),
];

/// With at least this overlap (IoU) a box is still in its place.
const IN_PLACE: f32 = 0.8;
/// What a time is cut off at: more tells nothing more.
const MOST_S: f32 = 5.0;
/// What a speed is cut off at: a picture's width in a tenth of a second.
const FASTEST: f32 = 10.0;
/// Points on each side of the grid by which the share in the zone is measured.
const GRID: u8 = 8;

/// What one picture shows to a track's features.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// Seconds on the media time line; later than the last one.
    pub(super) time_s: f64,
    /// The track's box, in shares of the picture, and its score.
    pub(super) seen: Option<(BBox, f32)>,
    pub(super) hands: &'a [BBox],
    pub(super) zone: &'a Zone,
}

/// The features of one track, picture by picture.
#[derive(Clone, Debug, Default)]
pub(super) struct Features(Option<Last>);

#[derive(Clone, Copy, Debug)]
struct Last {
    place: BBox,
    bounds: BBox,
    time_s: f64,
    rest_s: f32,
}

impl Features {
    /// The row of the next picture.
    pub(super) fn next(&mut self, moment: Moment<'_>) -> Row {
        let (bounds, score) = match (moment.seen, self.0) {
            (Some(seen), _) => seen,
            (None, Some(last)) => (last.bounds, 0.0),
            (None, None) => return [0.0; COUNT],
        };
        let seen = moment.seen.is_some();
        let since = |last: &Last| (moment.time_s - last.time_s).max(0.0) as f32;
        let mut velocity = [0.0; 2];
        let now = match self.0 {
            None => Last { place: bounds, bounds, time_s: moment.time_s, rest_s: 0.0 },
            Some(last) if !seen => last,
            Some(last) => {
                let (from, to, took) = (last.bounds.centre(), bounds.centre(), since(&last));
                if took > 0.0 {
                    velocity =
                        [(to.x - from.x) / took, (to.y - from.y) / took].map(|v| v.clamp(-FASTEST, FASTEST));
                }
                let in_place = bounds.iou(&last.place) >= IN_PLACE;
                Last {
                    place: if in_place { last.place } else { bounds },
                    bounds,
                    time_s: moment.time_s,
                    rest_s: if in_place { (last.rest_s + took).min(MOST_S) } else { 0.0 },
                }
            }
        };
        let gap_s = since(&now).min(MOST_S);
        self.0 = Some(now);
        let centre = bounds.centre();
        let under_hand = moment.hands.iter().map(|hand| bounds.covered_by(hand)).fold(0.0, f32::max);
        [
            f32::from(u8::from(seen)),
            centre.x,
            centre.y,
            bounds.width(),
            bounds.height(),
            velocity[0],
            velocity[1],
            score,
            share_in(moment.zone, &bounds),
            under_hand,
            now.rest_s,
            gap_s,
        ]
    }
}

/// The share of a box that lies in a zone.
fn share_in(zone: &Zone, bounds: &BBox) -> f32 {
    let step = |i: u8| (f32::from(i) + 0.5) / f32::from(GRID);
    let points = (0..GRID).flat_map(|i| (0..GRID).map(move |j| (step(i), step(j))));
    let within = points
        .filter(|(x, y)| {
            zone.contains(Point { x: bounds.x0 + x * bounds.width(), y: bounds.y0 + y * bounds.height() })
        })
        .count();
    within as f32 / f32::from(GRID).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x0: f32, y0: f32) -> BBox {
        BBox { x0, y0, x1: x0 + 0.1, y1: y0 + 0.2 }
    }

    fn close(row: Row, expected: Row) {
        for ((value, expected), column) in row.iter().zip(expected).zip(COLUMNS) {
            assert!(
                (value - expected).abs() < 1e-5,
                "{}: {value}, expected {expected}\n{row:?}",
                column.name
            );
        }
    }

    #[test]
    fn a_track_that_comes_in_rests_is_covered_and_leaves() {
        let left_half = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
        let zone = Zone::new(&left_half).unwrap();
        let mut features = Features::default();
        let mut next = |time_s, bounds: Option<BBox>, hands: &[BBox]| {
            features.next(Moment { time_s, seen: bounds.map(|bounds| (bounds, 0.9)), hands, zone: &zone })
        };
        close(next(0.0, None, &[]), [0.0; COUNT]);
        // Half in the zone, on a hand that covers a quarter of it, and another that covers nothing.
        let hands = [BBox { x0: 0.45, y0: 0.2, x1: 0.475, y1: 0.6 }, at(0.8, 0.8)];
        let first = next(0.1, Some(at(0.45, 0.3)), &hands);
        close(first, [1.0, 0.5, 0.4, 0.1, 0.2, 0.0, 0.0, 0.9, 0.5, 0.25, 0.0, 0.0]);
        let moved = next(0.2, Some(at(0.35, 0.5)), &[]);
        close(moved, [1.0, 0.4, 0.6, 0.1, 0.2, -1.0, 2.0, 0.9, 1.0, 0.0, 0.0, 0.0]);
        let rests = next(0.5, Some(at(0.35, 0.5)), &[]);
        close(rests, [1.0, 0.4, 0.6, 0.1, 0.2, 0.0, 0.0, 0.9, 1.0, 0.0, 0.3, 0.0]);
        let covered = next(0.7, None, &[at(0.35, 0.5)]);
        close(covered, [0.0, 0.4, 0.6, 0.1, 0.2, 0.0, 0.0, 0.0, 1.0, 1.0, 0.3, 0.2]);
        // The speed is over the gap.
        let back = next(0.9, Some(at(0.75, 0.5)), &[]);
        close(back, [1.0, 0.8, 0.6, 0.1, 0.2, 1.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0]);
        let late = next(60.0, None, &[]);
        assert_eq!((late[0], late[11]), (0.0, MOST_S));
    }

    #[test]
    fn rest_begins_where_it_left_its_place_not_where_it_crept_to() {
        let (mut features, zone) = (Features::default(), Zone::whole());
        let rows: Vec<_> = (0_u8..20)
            .map(|i| {
                let seen = Some((at(0.1 + f32::from(i) * 0.004, 0.5), 1.0));
                features.next(Moment { time_s: f64::from(i) * 0.1, seen, hands: &[], zone: &zone })[10]
            })
            .collect();
        // 0.004 a picture out of 0.1: below 0.8 of overlap with its place after three.
        assert!(rows.iter().all(|rest| *rest < 0.35), "{rows:?}");
        assert!(rows.iter().any(|rest| *rest > 0.15), "{rows:?}");
    }
}
