//! The cameras of a cart, and what they know of each other.

use crate::act::{Change, Claim};
use crate::camera::{CameraId, CameraSet, MAX_CAMERAS};
use crate::features::Views;
use crate::pace::Pace;
use crate::phase::{Item, Scene};
use crate::settings::Settings;
use crate::sighting::{ClassId, Detection};
use crate::time::{MediaTime, Span};
use crate::tracker::{Hand, MAX_HANDS, MAX_TRACKS, Track, TrackId, Tracker};
use crate::votes::Candidate;
use crate::zone::Zone;

/// Where at least this many items rest and none is seen, the camera is dark or covered: they do not all vanish at
/// one moment.
const BLIND: usize = 3;
/// What was seen this recently is there now.
const SEEN_NOW: Span = Span::from_ms(400);
/// What was found this long before an addition is not what was added.
const ESTABLISHED: Span = Span::from_ms(1000);

/// A camera: its zone, and what it follows there.
#[derive(Debug)]
pub(crate) struct Eye {
    zone: Zone,
    pub(crate) tracker: Tracker,
    pub(crate) stock_until: Option<MediaTime>,
    /// When a hand was last in the zone.
    hand: Option<MediaTime>,
    pub(crate) pace: Pace,
}

impl Eye {
    fn new(zone: Zone) -> Self {
        Self { zone, tracker: Tracker::default(), stock_until: None, hand: None, pace: Pace::default() }
    }

    /// How many of an item this camera counts as in the zone.
    fn count(&self, item: ClassId, which: impl Fn(&Track) -> bool) -> usize {
        self.like(item).filter(|t| t.is_in() && which(t)).count()
    }

    /// How many of an item this camera sees in the zone now, counted already or not.
    fn visible(&self, item: ClassId, now: MediaTime) -> usize {
        let here = |t: &&Track| now.since(t.last_seen) <= SEEN_NOW && self.zone.contains(t.bbox.centre());
        self.like(item).filter(here).count()
    }

    fn hand_now(&self, now: MediaTime) -> bool {
        self.hand.is_some_and(|at| now.since(at) <= SEEN_NOW)
    }

    /// The tracks that are most likely this item.
    fn like(&self, item: ClassId) -> impl Iterator<Item = &Track> {
        self.tracker.tracks().iter().filter(move |t| t.votes.top().is_some_and(|top| top.item == item))
    }

    /// Takes in a picture's sound detections. `false` where it is not newer than the last one.
    pub(crate) fn see(&mut self, now: MediaTime, sound: &[Detection], settings: &Settings) -> bool {
        if !self.tracker.update(now, sound, settings) {
            return false;
        }
        self.pace.see(now, settings.slowest);
        if self.tracker.hands().iter().any(|h| self.zone.contains(h.bbox.centre())) {
            self.hand = Some(now);
        }
        true
    }

    /// What the tracks' phases depend on, and the tracks.
    pub(crate) fn scene<'a>(
        &'a mut self,
        now: MediaTime,
        (hands, items): (&'a mut heapless::Vec<Hand, MAX_HANDS>, &'a mut heapless::Vec<Item, MAX_TRACKS>),
        settings: &'a Settings,
    ) -> (Scene<'a>, &'a mut Tracker) {
        let tracks = self.tracker.tracks();
        hands.clear();
        hands.extend(self.tracker.hands().iter().copied());
        items.clear();
        items.extend(tracks.iter().map(Item::of));
        let resting = tracks.iter().filter(|t| t.rests()).count();
        let scene = Scene {
            at: now,
            blind: resting >= BLIND && tracks.iter().all(|t| t.last_seen != now),
            zone: &self.zone,
            hands,
            hand_in_zone: self.hand == Some(now),
            items,
            knows_hands: self.tracker.knows_hands(),
            stock_until: *self.stock_until.get_or_insert(now + settings.stock),
            settings,
        };
        (scene, &mut self.tracker)
    }
}

/// All cameras.
#[derive(Debug)]
pub(crate) struct Eyes {
    all: heapless::Vec<Eye, MAX_CAMERAS>,
    live: CameraSet,
}

impl Eyes {
    pub(crate) fn new(zones: impl IntoIterator<Item = Zone>) -> Self {
        Self { all: zones.into_iter().take(MAX_CAMERAS).map(Eye::new).collect(), live: CameraSet::default() }
    }

    pub(crate) fn get(&self, camera: CameraId) -> Option<&Eye> {
        self.all.get(camera.index())
    }

    pub(crate) fn get_mut(&mut self, camera: CameraId) -> Option<&mut Eye> {
        self.all.get_mut(camera.index())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Eye> {
        self.all.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Eye> {
        self.all.iter_mut()
    }

    /// Those that give pictures.
    pub(crate) fn live(&self) -> CameraSet {
        self.live
    }

    pub(crate) fn wake(&mut self, camera: CameraId) {
        self.live.insert(camera);
    }

    pub(crate) fn lose(&mut self, camera: CameraId) {
        self.live.remove(camera);
        if let Some(eye) = self.get_mut(camera) {
            eye.pace.stop();
        }
    }

    /// Whether all of these cameras were looked at too seldom to tell what happened at `moment`.
    pub(crate) fn too_slow(&self, cameras: CameraSet, moment: MediaTime) -> bool {
        cameras.iter().filter_map(|c| self.get(c)).all(|eye| eye.pace.was_slow(moment))
    }

    fn others(&self, camera: CameraId) -> impl Iterator<Item = &Eye> {
        self.live.iter().filter(move |c| *c != camera).filter_map(|c| self.get(c))
    }

    /// How many of an item this camera counts in the zone.
    pub(crate) fn counted(&self, camera: CameraId, item: ClassId) -> usize {
        self.get(camera).map_or(0, |e| e.count(item, |_| true))
    }

    /// Whether any camera sees a hand in the zone.
    pub(crate) fn hand_in_zone(&self, now: MediaTime) -> bool {
        self.live.iter().filter_map(|c| self.get(c)).any(|e| e.hand_now(now))
    }

    /// What is seen in the zone by the cameras besides this one.
    pub(crate) fn elsewhere(&self, now: MediaTime, camera: CameraId) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        for eye in self.others(camera) {
            let mut here: heapless::Vec<ClassId, MAX_TRACKS> = heapless::Vec::new();
            for track in eye.tracker.tracks() {
                let now_in = track.is_in() && now.since(track.last_seen) <= SEEN_NOW;
                if let Some(top) = track.votes.top()
                    && now_in
                    && !here.contains(&top.item)
                {
                    _ = here.push(top.item);
                }
            }
            elsewhere.add(&here);
        }
        elsewhere
    }

    /// What the cameras show of an item that `camera` asks about at `now`, because of this track and as of `moment`.
    pub(crate) fn views(
        &self,
        now: MediaTime,
        (camera, track): (CameraId, TrackId),
        item: ClassId,
        moment: MediaTime,
    ) -> Views {
        let Some(eye) = self.get(camera) else { return Views::default() };
        let seen_now = |t: &Track| now.since(t.last_seen) <= SEEN_NOW;
        let other = |t: &&Track| t.id != track;
        let found = |t: &&Track| !t.is_in() && seen_now(t) && eye.zone.contains(t.bbox.centre());
        let lost = |t: &&Track| t.is_in() && !seen_now(t);
        Views {
            own: eye.count(item, |_| true),
            found: eye.like(item).filter(other).filter(found).count(),
            lost: eye.like(item).filter(other).filter(lost).map(|t| now.since(t.last_seen)).min(),
            items: eye.tracker.tracks().iter().filter(|t| t.is_in()).count(),
            elsewhere_now: self.others(camera).map(|e| e.visible(item, now)).max(),
            elsewhere_before: self
                .others(camera)
                .map(|e| e.count(item, |t| t.born + ESTABLISHED <= moment))
                .max(),
            others: self.others(camera).count(),
            hands_elsewhere: self.others(camera).filter(|e| e.hand_now(now)).count(),
        }
    }

    /// Whether as many cameras as stand by an act see the contrary: more of the item in the zone than the claimants
    /// counted after a removal (which they may see themselves, later: who finds it again stands by it no longer); as
    /// many there before as they count after an addition. An item that one camera lost sight of, or found again, is
    /// neither out nor new while another one looks at it.
    pub(crate) fn contest(&self, now: MediaTime, claim: &Claim<'_>) -> bool {
        let Some(Candidate { item, .. }) = claim.votes.top() else { return false };
        let claimants = || claim.cameras.iter().filter_map(|c| self.get(c));
        let silent = self.live.iter().filter(|c| !claim.cameras.contains(*c)).filter_map(|c| self.get(c));
        let (objectors, standing) = match claim.change {
            Change::Removed => {
                let sees_more = |e: &Eye| e.visible(item, now) > claim.counted;
                let found_again = claimants().filter(|e| sees_more(e)).count();
                (found_again + silent.filter(|e| sees_more(e)).count(), claimants().count() - found_again)
            }
            Change::Added => {
                let counted = claimants().map(|e| e.count(item, |_| true)).max().unwrap_or(0);
                let knew = |e: &Eye| e.count(item, |t| t.born + ESTABLISHED <= claim.moment);
                let objectors = silent.filter(|e| knew(e) > 0 && knew(e) >= counted).count();
                (objectors, claimants().count())
            }
        };
        objectors > 0 && objectors >= standing
    }
}

/// In how many other cameras an item is seen in the zone, out of how many.
#[derive(Default)]
pub(crate) struct Elsewhere {
    cameras: usize,
    items: heapless::Vec<(ClassId, u8), MAX_TRACKS>,
}

impl Elsewhere {
    fn add(&mut self, items: &[ClassId]) {
        self.cameras += 1;
        for item in items {
            match self.items.iter_mut().find(|(i, _)| i == item) {
                Some((_, cameras)) => *cameras += 1,
                // Full: of more different items than one camera follows, the rest counts as not seen elsewhere.
                None => _ = self.items.push((*item, 1)),
            }
        }
    }

    /// Share of the other cameras that see it.
    pub(crate) fn of(&self, item: ClassId) -> f32 {
        let cameras = self.items.iter().find(|(i, _)| *i == item).map_or(0, |(_, cameras)| *cameras);
        f32::from(cameras) / self.cameras.max(1) as f32
    }
}
