//! What a learned temporal classifier is shown of a track: the one place where that is defined.
//!
//! Every value comes from this picture and earlier ones, in units that depend neither on the picture's size, nor on
//! where the camera hangs, nor on its rate: places are told relative to the track's last box, in its sizes. Change a
//! meaning, add or remove a column, and [`VERSION`] goes up: a classifier is only used with the version that it was
//! trained with.

use crate::evidence::{Passage, Question};
use crate::geometry::{BBox, Point};
use crate::time::{MediaTime, Span};
use crate::zone::Zone;

/// Of the columns' meaning.
pub const VERSION: u32 = 3;
/// Rows of a window.
pub const WINDOW: usize = 24;
/// One row for each stretch of this length, so that a window spans 2.4 s at any rate: the stretch's last picture. The
/// newest row is always the newest picture's.
const STEP: Span = Span::from_ms(100);

/// What a row's or a question's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its unit or range.
    pub unit: &'static str,
    /// What it tells.
    pub meaning: &'static str,
}

const fn column(name: &'static str, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, unit, meaning }
}

/// Values in a row.
pub const ROW: usize = 15;
/// One row: the columns' values.
pub type Row = [f32; ROW];
/// The rows of a track, oldest first. Before its first sighting all is 0.
pub type Window = [Row; WINDOW];

/// What a row says. In a gap the box stays where it was last seen.
pub const ROW_COLUMNS: [Column; ROW] = [
    column("known", "0 or 1", "1 since the track's first sighting"),
    column("age_s", "seconds", "how long before the question"),
    column("seen", "0 or 1", "1 where the track is seen in this picture, 0 in a gap"),
    column("dx", "sizes, at most 8", "centre, relative to the last box's"),
    column("dy", "sizes, at most 8", "centre, relative to the last box's"),
    column("dw", "logarithm", "width, as a ratio to the last box's"),
    column("dh", "logarithm", "height, as a ratio to the last box's"),
    column("score", "0 to 1", "of the detection; 0 in a gap"),
    column("in_zone", "share of the box", "that lies in the zone, by a grid of 8 by 8 points"),
    column("at_border", "0 or 1", "1 where the box touches the picture's border"),
    column("under_hand", "share of the box", "that the hand which covers most of it covers"),
    column("hand_in_zone", "0 or 1", "1 where a hand is in the zone"),
    column("covered", "share of the box", "that the item which covers most of it covers"),
    column("still_s", "seconds, at most 3", "since the box last left its place"),
    column("elsewhere", "share", "of the other cameras, those that see the like of it in the zone"),
];

/// Values about the question as a whole.
pub const ASKED: usize = 26;
/// What a question says.
pub type Asked = [f32; ASKED];

/// What the values about a question say.
pub const ASKED_COLUMNS: [Column; ASKED] = [
    column("added", "0 or 1", "1 where it is whether the item was added, 0 for removed"),
    column("passage_seen", "0 or 1", "seen on both sides of the zone's edge"),
    column("passage_at_edge", "0 or 1", "first (last) seen on its way over the edge"),
    column("passage_inside", "0 or 1", "first (last) seen inside the zone, on the move"),
    column("passage_in_place", "0 or 1", "appeared (vanished) in place"),
    column("travel", "1 − IoU", "of the first and the last box of the movement"),
    column("hit_ratio", "0 to 1", "share of the last pictures that show the item"),
    column("mean_score", "0 to 1", "running mean of the detections' scores"),
    column("hand", "0 to 1", "share of the movement's pictures in which a hand touched it"),
    column("knows_hands", "0 or 1", "1 where this camera has ever seen a hand"),
    column("favourite", "0 to 1", "the most likely item's share of the votes"),
    column("unseen_s", "seconds, at most 3", "since the last sighting"),
    column("own", "quarters, at most 1", "how many of the item this camera counts in the zone now"),
    column("more_elsewhere", "halves, −1 to 1", "how many more another camera sees there now, at most"),
    column(
        "before_elsewhere",
        "halves, −1 to 1",
        "how many more another one saw there a second ago, at most",
    ),
    column("others", "quarters, at most 1", "how many other cameras there are"),
    column(
        "agrees",
        "−1 to 1",
        "another camera told of the same act: 1, doubts it: ½, asked and dismissed it: −1, did neither: 0",
    ),
    column("basket", "quarters, at most 1", "how many of the item are in the basket"),
    column("waited_s", "seconds, at most 3", "since the act's moment"),
    column("known_for", "logarithm", "of 1 + seconds since the first sighting, in fifths"),
    column("hands_elsewhere", "share", "of the other cameras, those that see a hand in the zone"),
    column(
        "found",
        "halves, at most 1",
        "how many of its like this camera sees in the zone and does not count",
    ),
    column(
        "lost",
        "nearness",
        "in time, of the last sighting of its like that this camera counts and misses",
    ),
    column("contrary", "nearness", "in time, of the nearest contrary act of its like, told of or doubted"),
    column("again", "nearness", "in time, of the same act of its like that this camera told of or doubts"),
    column("items", "sixteenths, at most 1", "how many items this camera counts in the zone"),
];

/// What the whole cart knows about a question, besides the track's own evidence.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Context {
    /// The most likely item's share of the votes.
    pub favourite: f32,
    /// Since the last sighting.
    pub unseen: Span,
    /// Since the first sighting.
    pub known: Span,
    /// Since the act's moment.
    pub waited: Span,
    /// Whether another camera told of the same act already.
    pub told: bool,
    /// Whether another camera is in doubt about it.
    pub doubted: bool,
    /// Whether another camera asked about it, and dismissed it.
    pub dismissed: bool,
    /// How near in time the same act of its like is that this camera told of or doubts.
    pub again: Option<Span>,
    /// How near in time the nearest contrary act of its like is.
    pub contrary: Option<Span>,
    /// How many of the item are in the basket.
    pub basket: u16,
    /// What the cameras show.
    pub views: Views,
}

/// What the cameras show of the item that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Views {
    /// How many of the item this camera counts in the zone.
    pub own: usize,
    /// How many more of it this camera sees there and does not count.
    pub found: usize,
    /// How long ago it last saw another one that it counts and misses.
    pub lost: Option<Span>,
    /// How many items of any kind this camera counts in the zone.
    pub items: usize,
    /// The most of the item that another camera sees there now; `None` without another one.
    pub elsewhere_now: Option<usize>,
    /// The most that another camera counts there that were found a second before the act or earlier.
    pub elsewhere_before: Option<usize>,
    /// Other cameras that give pictures.
    pub others: usize,
    /// Those of them that see a hand in the zone.
    pub hands_elsewhere: usize,
}

/// What a time is cut off at: more tells nothing more.
const MOST_S: f32 = 3.0;
/// What a distance is cut off at, sizes.
const FARTHEST: f32 = 8.0;

/// The values about a question.
pub fn asked(question: &Question) -> Asked {
    let (e, c) = (&question.evidence, &question.context);
    let v = &c.views;
    let flag = |holds: bool| if holds { 1.0 } else { 0.0 };
    let passage = |p: Passage| flag(e.passage == p);
    let part = |n: usize, of: f32| (n as f32 / of).min(1.0);
    let more = |n: Option<usize>| n.map_or(0.0, |n| ((n as f32 - v.own as f32) / 2.0).clamp(-1.0, 1.0));
    let nearness = |t: Option<Span>| t.map_or(0.0, |t| 1.0 - t.as_seconds().min(MOST_S) / MOST_S);
    [
        flag(question.change == crate::act::Change::Added),
        passage(Passage::Seen),
        passage(Passage::AtEdge),
        passage(Passage::Inside),
        passage(Passage::InPlace),
        e.travel,
        e.hit_ratio,
        e.mean_score,
        e.hand.unwrap_or(0.0),
        flag(e.hand.is_some()),
        c.favourite,
        c.unseen.as_seconds().min(MOST_S),
        part(v.own, 4.0),
        more(v.elsewhere_now),
        more(v.elsewhere_before),
        part(v.others, 4.0),
        match (c.told, c.doubted, c.dismissed) {
            (true, ..) => 1.0,
            (_, true, _) => 0.5,
            (.., true) => -1.0,
            _ => 0.0,
        },
        part(usize::from(c.basket), 4.0),
        c.waited.as_seconds().min(MOST_S),
        libm::logf(1.0 + c.known.as_seconds()) / 5.0,
        v.hands_elsewhere as f32 / v.others.max(1) as f32,
        part(v.found, 2.0),
        nearness(v.lost),
        nearness(c.contrary),
        nearness(c.again),
        part(v.items, 16.0),
    ]
}

/// What one picture shows of a track. Shares are kept in 255ths: rows are many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glimpse {
    at: MediaTime,
    bbox: BBox,
    still_since: MediaTime,
    score: u8,
    in_zone: u8,
    under_hand: u8,
    covered: u8,
    elsewhere: u8,
    seen: bool,
    hand_in_zone: bool,
}

/// What a picture shows, before it is kept.
pub(crate) struct Look {
    pub(crate) at: MediaTime,
    pub(crate) bbox: BBox,
    /// The detection's score; `None` in a gap.
    pub(crate) score: Option<f32>,
    pub(crate) still_since: MediaTime,
    pub(crate) under_hand: f32,
    pub(crate) hand_in_zone: bool,
    pub(crate) covered: f32,
    pub(crate) elsewhere: f32,
}

fn byte(share: f32) -> u8 {
    libm::roundf(share.clamp(0.0, 1.0) * 255.0) as u8
}

fn share(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

/// The last glimpses of a track.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    glimpses: heapless::Deque<Glimpse, WINDOW>,
}

impl History {
    /// Keeps what a picture shows.
    pub(crate) fn push(&mut self, look: &Look, zone: &Zone) {
        let stretch = |at: MediaTime| at.ns / STEP.ns;
        if self.glimpses.back().is_some_and(|last| stretch(last.at) == stretch(look.at)) {
            self.glimpses.pop_back();
        } else if self.glimpses.is_full() {
            self.glimpses.pop_front();
        }
        let glimpse = Glimpse {
            at: look.at,
            bbox: look.bbox,
            still_since: look.still_since,
            score: byte(look.score.unwrap_or(0.0)),
            in_zone: byte(share_in(zone, &look.bbox)),
            under_hand: byte(look.under_hand),
            covered: byte(look.covered),
            elsewhere: byte(look.elsewhere),
            seen: look.score.is_some(),
            hand_in_zone: look.hand_in_zone,
        };
        // Room was made above.
        _ = self.glimpses.push_back(glimpse);
    }

    /// Writes the rows.
    pub(crate) fn window(&self, out: &mut Window) {
        *out = [[0.0; ROW]; WINDOW];
        let Some(now) = self.glimpses.back() else { return };
        let centre = now.bbox.centre();
        let size = libm::sqrtf(now.bbox.width() * now.bbox.height()).max(1e-4);
        let flag = |holds: bool| if holds { 1.0 } else { 0.0 };
        let far = |from: f32, to: f32| ((to - from) / size).clamp(-FARTHEST, FARTHEST);
        let ratio = |of: f32, to: f32| libm::logf((of / to.max(1e-4)).clamp(0.05, 20.0));
        let first = WINDOW - self.glimpses.len();
        for (row, g) in out[first..].iter_mut().zip(&self.glimpses) {
            let at = g.bbox.centre();
            *row = [
                1.0,
                now.at.since(g.at).as_seconds().min(MOST_S),
                flag(g.seen),
                far(centre.x, at.x),
                far(centre.y, at.y),
                ratio(g.bbox.width(), now.bbox.width()),
                ratio(g.bbox.height(), now.bbox.height()),
                share(g.score),
                share(g.in_zone),
                flag(crate::phase::at_border(&g.bbox)),
                share(g.under_hand),
                flag(g.hand_in_zone),
                share(g.covered),
                g.at.since(g.still_since).as_seconds().min(MOST_S),
                share(g.elsewhere),
            ];
        }
    }

    /// When and where it was seen, oldest first.
    pub(crate) fn sightings(&self) -> impl Iterator<Item = (MediaTime, BBox)> + '_ {
        self.glimpses.iter().filter(|g| g.seen).map(|g| (g.at, g.bbox))
    }
}

/// Points on each side of the grid by which the share in the zone is measured.
const GRID: u8 = 8;

/// The share of a box that lies in a zone.
fn share_in(zone: &Zone, bounds: &BBox) -> f32 {
    let step = |i: u8| (f32::from(i) + 0.5) / f32::from(GRID);
    let points = (0..GRID).flat_map(|i| (0..GRID).map(move |j| (step(i), step(j))));
    let within = points
        .filter(|(x, y)| {
            zone.contains(Point { x: bounds.x0 + x * bounds.width(), y: bounds.y0 + y * bounds.height() })
        })
        .count();
    within as f32 / f32::from(u16::from(GRID) * u16::from(GRID))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::Change;
    use crate::camera::CameraId;
    use crate::evidence::{Evidence, QuestionId};
    use crate::tracker::TrackId;

    fn at(x0: f32, y0: f32) -> BBox {
        BBox { x0, y0, x1: x0 + 0.1, y1: y0 + 0.4 }
    }

    fn look(ms: u64, bbox: BBox, score: Option<f32>) -> Look {
        let at = MediaTime::from_ms(ms);
        Look {
            at,
            bbox,
            score,
            still_since: at,
            under_hand: 0.25,
            hand_in_zone: false,
            covered: 0.0,
            elsewhere: 0.5,
        }
    }

    fn window(history: &History) -> Window {
        let mut out = [[9.0; ROW]; WINDOW];
        history.window(&mut out);
        out
    }

    fn value(row: &Row, name: &str) -> f32 {
        row[ROW_COLUMNS.iter().position(|c| c.name == name).unwrap()]
    }

    #[test]
    fn places_are_told_from_the_last_box_in_its_sizes() {
        let left_half = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
        let zone = Zone::new(&left_half).unwrap();
        let mut history = History::default();
        assert_eq!(window(&history), [[0.0; ROW]; WINDOW], "nothing was seen");
        // Comes in over the zone's edge: outside, half way, inside; then a gap.
        history.push(&look(0, at(0.6, 0.1), Some(0.8)), &zone);
        history.push(&look(100, at(0.45, 0.1), Some(0.9)), &zone);
        history.push(&look(200, at(0.2, 0.3), Some(1.0)), &zone);
        history.push(&look(300, at(0.2, 0.3), None), &zone);
        let rows = window(&history);
        assert_eq!(rows[..WINDOW - 4], [[0.0; ROW]; WINDOW - 4], "not there before it was found");
        // The size is √(0.1 × 0.4) = 0.2.
        let expected = [
            ("known", [1.0, 1.0, 1.0, 1.0]),
            ("age_s", [0.3, 0.2, 0.1, 0.0]),
            ("seen", [1.0, 1.0, 1.0, 0.0]),
            ("dx", [2.0, 1.25, 0.0, 0.0]),
            ("dy", [-1.0, -1.0, 0.0, 0.0]),
            ("dw", [0.0; 4]),
            ("score", [0.8, 0.9, 1.0, 0.0]),
            ("in_zone", [0.0, 0.5, 1.0, 1.0]),
            ("at_border", [0.0; 4]),
            ("under_hand", [0.25; 4]),
            ("elsewhere", [0.5; 4]),
        ];
        for (name, expected) in expected {
            let found: heapless::Vec<f32, 4> =
                rows[WINDOW - 4..].iter().map(|row| value(row, name)).collect();
            assert!(
                found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 0.005),
                "{name}: {found:?} {expected:?}"
            );
        }
    }

    #[test]
    fn any_rate_spans_the_same_time_and_the_newest_row_is_the_newest_picture() {
        for (every_ms, spans_ms) in [(33, 2200..2400), (66, 2200..2400), (100, 2300..2301), (200, 4600..4601)]
        {
            let mut history = History::default();
            let mut last = 0;
            for n in 0..200 {
                last = n * every_ms;
                history.push(&look(last, at(0.2, 0.3), Some(0.9)), &Zone::whole());
            }
            assert_eq!(history.glimpses.back().unwrap().at, MediaTime::from_ms(last));
            let span = history.glimpses.front().unwrap().at.distance(MediaTime::from_ms(last)).ns / 1_000_000;
            assert!(spans_ms.contains(&span), "at {every_ms} ms it spans {span} ms");
            assert!(history.glimpses.is_full());
        }
    }

    #[test]
    fn far_and_odd_boxes_give_numbers_within_bounds() {
        let mut history = History::default();
        let dot = BBox { x0: 0.5, y0: 0.5, x1: 0.5, y1: 0.5 };
        for (n, bbox) in [at(0.0, 0.0), at(0.9, 0.6), dot].into_iter().enumerate() {
            history.push(&look(n as u64 * 100, bbox, Some(2.0)), &Zone::whole());
        }
        for row in window(&history) {
            assert!(row.iter().all(|v| v.is_finite() && v.abs() <= FARTHEST), "{row:?}");
        }
    }

    #[test]
    fn what_is_asked_stands_in_its_column() {
        let evidence =
            Evidence { passage: Passage::Inside, travel: 0.5, hit_ratio: 0.6, mean_score: 0.7, hand: None };
        let context = Context {
            favourite: 0.8,
            unseen: Span::from_ms(500),
            known: Span::from_ms(9000),
            waited: Span::from_ms(700),
            told: false,
            doubted: true,
            dismissed: true,
            again: None,
            contrary: Some(Span::from_ms(1500)),
            basket: 3,
            views: Views {
                own: 1,
                found: 1,
                lost: Some(Span::from_ms(9000)),
                items: 4,
                elsewhere_now: Some(2),
                elsewhere_before: Some(9),
                others: 2,
                hands_elsewhere: 1,
            },
        };
        let question = Question {
            id: QuestionId(0),
            camera: CameraId::new(0).unwrap(),
            track: TrackId(0),
            change: Change::Added,
            moment: MediaTime::ZERO,
            item: None,
            evidence,
            context,
        };
        let values = asked(&question);
        for (name, expected) in [
            ("added", 1.0),
            ("passage_seen", 0.0),
            ("passage_inside", 1.0),
            ("travel", 0.5),
            ("hit_ratio", 0.6),
            ("mean_score", 0.7),
            ("hand", 0.0),
            ("knows_hands", 0.0),
            ("favourite", 0.8),
            ("unseen_s", 0.5),
            ("own", 0.25),
            ("more_elsewhere", 0.5),
            ("before_elsewhere", 1.0),
            ("others", 0.5),
            ("agrees", 0.5),
            ("basket", 0.75),
            ("waited_s", 0.7),
            ("known_for", 0.460_517),
            ("hands_elsewhere", 0.5),
            ("found", 0.5),
            ("lost", 0.0),
            ("contrary", 0.5),
            ("again", 0.0),
            ("items", 0.25),
        ] {
            let found = values[ASKED_COLUMNS.iter().position(|c| c.name == name).unwrap()];
            assert!((found - expected).abs() < 1e-6, "{name}: {found}, expected {expected}");
        }
    }
}
