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
pub const VERSION: u32 = 2;
/// Rows of a window.
pub const WINDOW: usize = 24;
/// Rows are at least this far apart, so that a window spans 2.4 s at any rate. The newest row is always the newest
/// picture's: it takes the place of one that is nearer than this to the one before.
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
pub const ASKED: usize = 18;
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
    column("agrees", "0 or 1", "1 where another camera told of the same act already"),
    column("basket", "quarters, at most 1", "how many of the item are in the basket"),
];

/// What the whole cart knows about a question, besides the track's own evidence.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Context {
    /// The most likely item's share of the votes.
    pub favourite: f32,
    /// Since the last sighting.
    pub unseen: Span,
    /// How many of the item this camera counts in the zone.
    pub own: usize,
    /// The most that another camera sees there now; `None` without another one.
    pub elsewhere_now: Option<usize>,
    /// The most that another camera counts there that were found a second before the act or earlier.
    pub elsewhere_before: Option<usize>,
    /// Other cameras that give pictures.
    pub others: usize,
    /// Whether another camera told of the same act already.
    pub agrees: bool,
    /// How many of the item are in the basket.
    pub basket: u16,
}

/// What a time is cut off at: more tells nothing more.
const MOST_S: f32 = 3.0;
/// What a distance is cut off at, sizes.
const FARTHEST: f32 = 8.0;

/// The values about a question.
pub fn asked(question: &Question) -> Asked {
    let (e, c) = (&question.evidence, &question.context);
    let flag = |holds: bool| if holds { 1.0 } else { 0.0 };
    let passage = |p: Passage| flag(e.passage == p);
    let quarters = |n: usize| (n as f32 / 4.0).min(1.0);
    let more = |n: Option<usize>| n.map_or(0.0, |n| ((n as f32 - c.own as f32) / 2.0).clamp(-1.0, 1.0));
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
        quarters(c.own),
        more(c.elsewhere_now),
        more(c.elsewhere_before),
        quarters(c.others),
        flag(c.agrees),
        quarters(usize::from(c.basket)),
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
        let mut newest = self.glimpses.iter().rev();
        let (last, before) = (newest.next(), newest.next());
        if let (Some(last), Some(before)) = (last, before)
            && last.at.since(before.at) < STEP
        {
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
