//! Multi-object tracking in one camera: Kalman prediction and two-stage association in the manner of ByteTrack
//! (Zhang et al., 2021; arXiv 2110.06864), with a third stage for what moved too far between two pictures.
//!
//! Tracks are of things, not of classes: a detection's class is a vote. Resting items stay where they are while
//! nobody sees them, however long they are covered.

use crate::assignment::{Costs, assign};
use crate::features::History;
use crate::geometry::{BBox, Point};
use crate::kalman::Motion;
use crate::phase::Phase;
use crate::settings::Settings;
use crate::sighting::{ClassId, Detection, MAX_DETECTIONS, Role};
use crate::time::{MediaTime, Span};
use crate::votes::{Candidate, Votes};

/// The most items followed in one camera. When full, a new one is not followed and counted
/// ([`crate::Counters::tracks_refused`]).
pub const MAX_TRACKS: usize = 48;
/// The most hands known at once: the surest of this picture, then those of the last ones.
pub(crate) const MAX_HANDS: usize = 8;
/// A hand that is not seen is thought to be where it was for this long: detectors lose hands more than items.
const HAND_STAYS: Span = Span::from_ms(250);

/// A track of one camera; never used again within a session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrackId(pub u32);

/// Two boxes of different classes that overlap this much are one thing, seen twice.
const SAME_THING: f32 = 0.7;
/// Least overlap in the first stage (sure detections), and in the second (faint ones).
const FIRST_OVERLAP: f32 = 0.2;
const SECOND_OVERLAP: f32 = 0.4;
/// What a class other than the track's favourite costs, in overlap. It tells who gets a detection that two
/// tracks claim (an item is laid on another); alone, it keeps nobody from one.
const OTHER_CLASS: f32 = 0.45;
/// The cost of a track and a detection that overlap too little: more than leaving both alone.
const NEVER: f32 = 4.0;
/// A faint detection continues a track that was seen this recently.
const RECENT: Span = Span::from_ms(400);
/// Between two sightings a box jumps at most this many of its sizes a second: so fast does a hand carry an item. A
/// change of class takes some of the way, and an item that rests does not change its class.
const JUMP_SPEED: f32 = 9.0;
const JUMP_OTHER_CLASS: f32 = 0.5;
/// The factor by which a jumping box's sides change at most.
const JUMP_SIZE: f32 = 2.0;
/// A track's item is well known when its favourite has such a share of votes of such a weight.
const WELL_KNOWN: f32 = 0.75;
const KNOWN_WEIGHT: f32 = 5.0;
/// An item with a lesser share was never taken for that one.
const NEVER_TAKEN: f32 = 0.05;
/// After more pictures than this without the item, what is seen at its place may be something else. Before, it is the
/// detector that wavers.
const MISSED: u32 = 1;
/// A detection this sure is what it says.
const SURELY: f32 = 0.5;
/// An item whose box overlaps its earlier one this much is still.
const STILL: f32 = 0.8;
/// Share of a new score in a track's running mean.
const SCORE_SHARE: f32 = 0.1;
/// The most pictures that one gap counts for in a track's hit ratio.
const LONGEST_GAP: u32 = 8;

/// Since when a box has not moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Still {
    reference: BBox,
    pub(crate) since: MediaTime,
}

/// A hand, last seen where and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hand {
    pub(crate) bbox: BBox,
    pub(crate) seen: MediaTime,
}

/// One item, followed.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) id: TrackId,
    motion: Motion,
    /// Last seen where and when.
    pub(crate) bbox: BBox,
    pub(crate) last_seen: MediaTime,
    pub(crate) born: MediaTime,
    pub(crate) last_touched: Option<MediaTime>,
    pub(crate) still: Still,
    /// Running mean of scores.
    pub(crate) score: f32,
    /// One bit a picture up to the last sighting, the newest lowest: seen or not.
    history: u64,
    /// How many pictures `history` tells of, at most 64.
    known: u32,
    /// Pictures since the last sighting.
    missed: u32,
    /// The last detection's.
    pub(crate) last_score: f32,
    pub(crate) votes: Votes,
    pub(crate) glimpses: History,
    pub(crate) phase: Phase,
}

impl Track {
    fn new(id: TrackId, at: MediaTime, d: &Detection) -> Self {
        Self {
            id,
            motion: Motion::new(&d.bbox),
            bbox: d.bbox,
            last_seen: at,
            born: at,
            last_touched: None,
            still: Still { reference: d.bbox, since: at },
            score: d.score,
            history: 1,
            known: 1,
            missed: 0,
            last_score: d.score,
            votes: Votes::default(),
            glimpses: History::default(),
            phase: Phase::loose(d.bbox, false),
        }
    }

    fn see(&mut self, at: MediaTime, d: &Detection) {
        self.motion.update(&d.bbox);
        self.bbox = d.bbox;
        self.last_seen = at;
        self.last_score = d.score;
        // A long gap is a cover, not a flicker: it does not make the item less solid than a short one.
        let gap = self.missed.clamp(1, LONGEST_GAP);
        self.history = (self.history << gap) | 1;
        self.known = (self.known + gap).min(u64::BITS);
        self.missed = 0;
        self.score += (d.score - self.score) * SCORE_SHARE;
        if self.still.reference.iou(&d.bbox) < STILL {
            self.still = Still { reference: d.bbox, since: at };
        }
    }

    /// How well a box fits to where it should be: where its motion leads. One that rests may also be at its
    /// place, and nowhere else once it has been unseen for a while.
    fn overlap(&self, at: MediaTime, bbox: &BBox) -> f32 {
        let moving = self.motion.bbox().iou(bbox);
        match self.phase {
            Phase::Resting(ref r) if self.is_recent(at) => moving.max(r.place.iou(bbox)),
            Phase::Resting(ref r) => r.place.iou(bbox),
            _ => moving,
        }
    }

    /// Whether a detection is surely of another thing: the item that is counted here was out of sight, is well known,
    /// and was never taken for that. So what is put where something else lay does not become it.
    fn is_another(&self, d: &Detection) -> bool {
        let known = |f: Candidate| f.item != d.class && f.p >= WELL_KNOWN;
        self.is_in()
            && self.missed > MISSED
            && d.score >= SURELY
            && self.votes.weight() >= KNOWN_WEIGHT
            && self.votes.top().is_some_and(known)
            && self.votes.share(d.class) < NEVER_TAKEN
    }

    /// How far it would have jumped, in its sizes, if it were that detection; `None` if it cannot be.
    fn jump(&self, at: MediaTime, d: &Detection) -> Option<f32> {
        if self.is_another(d) {
            return None;
        }
        let same = self.votes.top().is_some_and(|f| f.item == d.class);
        let carried = JUMP_SPEED * at.since(self.last_seen).min(RECENT).as_seconds();
        let most = match (self.rests(), same) {
            (_, true) => carried,
            (false, false) => carried - JUMP_OTHER_CLASS,
            (true, false) => return None,
        };
        // From where it was, or from where it was on its way to.
        let distances = [self.bbox, self.motion.bbox()].map(|from| distance(&from, &d.bbox));
        distances.into_iter().flatten().filter(|far| *far <= most).reduce(f32::min)
    }

    pub(crate) fn rests(&self) -> bool {
        matches!(self.phase, Phase::Resting(_))
    }

    /// Whether it counts as in the zone.
    pub(crate) fn is_in(&self) -> bool {
        !matches!(self.phase, Phase::Loose(_))
    }

    /// Whether what is seen from now on is something else. Twice as long as it takes to decide, so that what comes back
    /// at once is the same thing.
    fn is_gone(&self, at: MediaTime, settings: &Settings) -> bool {
        !self.is_in() && at.since(self.last_seen) > settings.away.times(2)
    }

    fn is_recent(&self, at: MediaTime) -> bool {
        at.since(self.last_seen) <= RECENT || self.missed <= 1
    }

    /// Where its centre will be in `seconds`.
    pub(crate) fn heading(&self, seconds: f32) -> Point {
        self.motion.centre_in(seconds)
    }

    /// Pictures in a row that do not show it.
    pub(crate) fn missed(&self) -> u32 {
        self.missed
    }

    /// Share of the last (at most 64) pictures that show it, up to the last one that does.
    pub(crate) fn hit_ratio(&self) -> f32 {
        self.history.count_ones() as f32 / self.known as f32
    }
}

/// The tracks of one camera.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    tracks: heapless::Vec<Track, MAX_TRACKS>,
    hands: heapless::Vec<Hand, MAX_HANDS>,
    knows_hands: bool,
    last: Option<MediaTime>,
    next: u32,
    refused: u64,
}

/// Detections of items, highest score first, after doubles were folded.
type Things<'a> = heapless::Vec<(&'a Detection, bool), MAX_DETECTIONS>;

impl Tracker {
    /// Takes in one picture's detections. `at` must be later than the last picture's; else nothing happens and
    /// it says `false`.
    pub(crate) fn update(&mut self, at: MediaTime, seen: &[Detection], settings: &Settings) -> bool {
        if self.last.is_some_and(|last| at <= last) {
            return false;
        }
        let dt = self.last.map_or(Span::ZERO, |last| at.since(last));
        self.last = Some(at);
        for track in &mut self.tracks {
            track.motion.predict(dt);
            track.missed = track.missed.saturating_add(1);
        }
        // For longer than it may be asked about.
        let loose_stays = settings.vanish + settings.patience + settings.away;
        self.tracks.retain(|t| match t.phase {
            Phase::Loose(_) => at.since(t.last_seen) <= loose_stays,
            Phase::Resting(_) => at.since(t.last_seen) <= settings.memory,
            Phase::Lifted(_) => true,
        });

        self.hands.retain(|h| at.since(h.seen) <= HAND_STAYS);
        for d in seen.iter().filter(|d| d.role == Role::Hand && d.score >= settings.hand_score) {
            self.hands.retain(|h| h.seen == at || h.bbox.intersection(&d.bbox) == 0.0);
            // Full: one that was seen before gives way to one that is seen now.
            if self.hands.is_full() {
                self.hands.retain(|h| h.seen == at);
            }
            _ = self.hands.push(Hand { bbox: d.bbox, seen: at });
            self.knows_hands = true;
        }

        // Doubles of one thing are folded: the surer one is followed, the other one votes.
        let mut things = Things::new();
        let mut doubles: heapless::Vec<(usize, ClassId, f32), MAX_DETECTIONS> = heapless::Vec::new();
        for d in seen.iter().filter(|d| matches!(d.role, Role::Item | Role::Unknown)).take(MAX_DETECTIONS) {
            match things.iter().position(|(t, _)| t.bbox.iou(&d.bbox) >= SAME_THING) {
                Some(of) => _ = doubles.push((of, d.class, d.score)),
                None => _ = things.push((d, false)),
            }
        }

        let sure = |d: &Detection| d.score >= settings.high_score;
        self.associate(at, &mut things, &doubles, sure, |_| true, (FIRST_OVERLAP, settings));
        let recent = |t: &Track| t.rests() || t.is_recent(at);
        self.associate(at, &mut things, &doubles, |d| !sure(d), recent, (SECOND_OVERLAP, settings));
        self.follow_jumps(at, &mut things, &doubles, settings);
        self.bear(at, &things, &doubles, settings);
        true
    }

    /// One stage: tracks not seen yet in this picture that are `eligible`, and detections not taken yet that
    /// are `wanted`, matched for the greatest total overlap.
    fn associate(
        &mut self,
        at: MediaTime,
        things: &mut Things<'_>,
        doubles: &[(usize, ClassId, f32)],
        wanted: impl Fn(&Detection) -> bool,
        eligible: impl Fn(&Track) -> bool,
        (least_overlap, settings): (f32, &Settings),
    ) {
        let free = |t: &Track| t.last_seen != at && !t.is_gone(at, settings) && eligible(t);
        let rows: heapless::Vec<usize, MAX_TRACKS> =
            (0..self.tracks.len()).filter(|t| free(&self.tracks[*t])).collect();
        let columns: heapless::Vec<usize, MAX_DETECTIONS> =
            (0..things.len()).filter(|d| !things[*d].1 && wanted(things[*d].0)).collect();
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let mut costs: Costs = [[NEVER; MAX_DETECTIONS]; MAX_TRACKS];
        for (r, t) in rows.iter().enumerate() {
            let track = &self.tracks[*t];
            let favourite = track.votes.top();
            for (c, d) in columns.iter().enumerate() {
                let d = things[*d].0;
                let overlap = track.overlap(at, &d.bbox);
                if overlap > least_overlap && !track.is_another(d) {
                    let other = favourite.is_some_and(|f| f.item != d.class);
                    costs[r][c] = 1.0 - overlap + if other { OTHER_CLASS } else { 0.0 };
                }
            }
        }
        let given = assign(&costs, rows.len(), columns.len(), 1.0 + OTHER_CLASS);
        for (r, t) in rows.iter().enumerate() {
            if let Some(c) = given[r] {
                self.give(at, *t, columns[c], things, doubles);
            }
        }
    }

    /// What moved so fast (or was seen so rarely) that its boxes do not overlap gets the nearest sure detection
    /// of about its size.
    fn follow_jumps(
        &mut self,
        at: MediaTime,
        things: &mut Things<'_>,
        doubles: &[(usize, ClassId, f32)],
        settings: &Settings,
    ) {
        loop {
            let mut nearest: Option<(f32, usize, usize)> = None;
            for (t, track) in self.tracks.iter().enumerate() {
                let patience = if track.rests() { RECENT } else { settings.away };
                if track.last_seen == at || (at.since(track.last_seen) > patience && track.missed() > 1) {
                    continue;
                }
                for (d, (thing, taken)) in things.iter().enumerate() {
                    if !*taken
                        && thing.score >= settings.birth_score
                        && let Some(jump) = track.jump(at, thing)
                        && nearest.is_none_or(|(least, ..)| jump < least)
                    {
                        nearest = Some((jump, t, d));
                    }
                }
            }
            let Some((_, t, d)) = nearest else { return };
            self.give(at, t, d, things, doubles);
        }
    }

    fn give(
        &mut self,
        at: MediaTime,
        track: usize,
        thing: usize,
        things: &mut Things<'_>,
        doubles: &[(usize, ClassId, f32)],
    ) {
        let (detection, ref mut taken) = things[thing];
        *taken = true;
        let track = &mut self.tracks[track];
        track.see(at, detection);
        vote(track, detection, thing, doubles);
    }

    /// Starts tracks for sure detections that nobody claimed.
    fn bear(
        &mut self,
        at: MediaTime,
        things: &Things<'_>,
        doubles: &[(usize, ClassId, f32)],
        settings: &Settings,
    ) {
        for (i, (d, taken)) in things.iter().enumerate() {
            if *taken || d.score < settings.birth_score {
                continue;
            }
            let mut track = Track::new(TrackId(self.next), at, d);
            vote(&mut track, d, i, doubles);
            match self.tracks.push(track) {
                Ok(()) => self.next = self.next.wrapping_add(1),
                Err(_) => self.refused += 1,
            }
        }
    }

    pub(crate) fn tracks_mut(&mut self) -> &mut [Track] {
        &mut self.tracks
    }

    pub(crate) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Follows these no longer.
    pub(crate) fn forget(&mut self, tracks: &[TrackId]) {
        self.tracks.retain(|t| !tracks.contains(&t.id));
    }

    pub(crate) fn hands(&self) -> &[Hand] {
        &self.hands
    }

    pub(crate) fn knows_hands(&self) -> bool {
        self.knows_hands
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

fn vote(track: &mut Track, d: &Detection, thing: usize, doubles: &[(usize, ClassId, f32)]) {
    track.votes.add(d.class, d.score);
    for (_, class, score) in doubles.iter().filter(|(of, ..)| *of == thing) {
        track.votes.add(*class, *score);
    }
}

/// How far one box is from another, in their sizes; `None` if those differ too much.
fn distance(from: &BBox, to: &BBox) -> Option<f32> {
    let ratio = |a: f32, b: f32| if a > b { a / b } else { b / a };
    let (w, h) = (from.width().max(to.width()), from.height().max(to.height()));
    let sizes_fit = ratio(from.width(), to.width()) <= JUMP_SIZE
        && ratio(from.height(), to.height()) <= JUMP_SIZE
        && w > 0.0
        && h > 0.0;
    let (a, b) = (from.centre(), to.centre());
    let (x, y) = ((b.x - a.x) / w, (b.y - a.y) / h);
    sizes_fit.then(|| libm::sqrtf(x * x + y * y))
}
