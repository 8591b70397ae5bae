//! Doubts: possible acts that a temporal classifier is unsure of, and that more pictures may make clear.

use crate::act::{Act, Change};
use crate::camera::CameraId;
use crate::evidence::Evidence;
use crate::session::MAX_QUESTIONS;
use crate::settings::Settings;
use crate::time::{MediaTime, Span};
use crate::tracker::TrackId;

/// How long after an unsure answer it is asked again.
const AGAIN: Span = Span::from_ms(200);
/// What is less probable than this is not asked about again.
const HOPELESS: f32 = 0.08;

/// A possible act, while it is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Doubt {
    /// The act if it was one; its probability is the last answer's.
    pub(crate) act: Act,
    pub(crate) track: TrackId,
    pub(crate) evidence: Evidence,
    /// When it is asked next, and until when at most.
    again: MediaTime,
    until: MediaTime,
}

/// What becomes of a doubt after an answer.
pub(crate) enum Verdict {
    /// It was an act, as far as anybody can tell.
    Act(Act),
    /// It was none.
    Nothing(Act),
    /// More pictures may tell.
    Wait(Doubt),
}

impl Doubt {
    pub(crate) fn new(
        now: MediaTime,
        act: Act,
        track: TrackId,
        evidence: Evidence,
        settings: &Settings,
    ) -> Self {
        let until = act.moment + settings.patience;
        Self { act, track, evidence, again: now, until }
    }

    /// After an answer that gives the act this probability. Of what a hand may still hold nobody is sure.
    pub(crate) fn answered(mut self, now: MediaTime, p: f32, held: bool, settings: &Settings) -> Verdict {
        self.act.p = p;
        match p {
            p if p < HOPELESS => Verdict::Nothing(self.act),
            p if (held || p < settings.sure) && now + AGAIN <= self.until => {
                self.again = now + AGAIN;
                Verdict::Wait(self)
            }
            _ => self.over(settings),
        }
    }

    /// Without another answer.
    pub(crate) fn over(self, settings: &Settings) -> Verdict {
        if self.act.p >= settings.reject { Verdict::Act(self.act) } else { Verdict::Nothing(self.act) }
    }
}

/// How many dismissed acts are remembered. The oldest gives way: another camera asks within moments or never.
const MAX_DISMISSED: usize = 8;

/// All open doubts, and what was dismissed lately. When full, the next doubt is decided by the answer that it has.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    open: heapless::Vec<Doubt, MAX_QUESTIONS>,
    dismissed: heapless::Deque<Act, MAX_DISMISSED>,
}

impl Doubts {
    /// Keeps it; gives it back where there is no room.
    pub(crate) fn keep(&mut self, doubt: Doubt) -> Option<Doubt> {
        self.open.push(doubt).err()
    }

    /// Takes out one of this camera's that is to be asked again.
    pub(crate) fn due(&mut self, camera: CameraId, now: MediaTime) -> Option<Doubt> {
        self.take(|d| d.act.camera == camera && d.again <= now)
    }

    /// Takes out one whose camera gave no picture in time.
    pub(crate) fn overdue(&mut self, now: MediaTime) -> Option<Doubt> {
        self.take(|d| d.until + AGAIN < now)
    }

    /// Takes out one of this camera's.
    pub(crate) fn of(&mut self, camera: CameraId) -> Option<Doubt> {
        self.take(|d| d.act.camera == camera)
    }

    /// Takes out any.
    pub(crate) fn any(&mut self) -> Option<Doubt> {
        self.take(|_| true)
    }

    // The oldest first.
    fn take(&mut self, which: impl Fn(&Doubt) -> bool) -> Option<Doubt> {
        self.open.iter().position(which).map(|at| self.open.remove(at))
    }

    /// The possible acts of this kind.
    pub(crate) fn acts(&self, change: Change) -> impl Iterator<Item = &Act> {
        self.open.iter().map(|d| &d.act).filter(move |a| a.change == change)
    }

    /// Remembers what turned out to be no act.
    pub(crate) fn dismiss(&mut self, act: Act) {
        if self.dismissed.is_full() {
            self.dismissed.pop_front();
        }
        // Room was made above.
        _ = self.dismissed.push_back(act);
    }

    /// Whether another camera asked about this act lately, and it was none.
    pub(crate) fn dismissed_by_another(&self, act: &Act, settings: &Settings) -> bool {
        self.dismissed.iter().any(|other| {
            other.camera != act.camera
                && other.change == act.change
                && other.moment.distance(act.moment) <= settings.fuse
                && other.may_be_of(act)
        })
    }
}
