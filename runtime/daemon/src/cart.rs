//! The cart: feeds the core with facts and turns its effects into recorded events.
//!
//! Everything here happens on the loop's thread, at moments that are arguments; what it records is taken away by
//! [`Cart::take_rows`] and carried out by the edges.

mod answered;
mod decisions;
mod kept;

use std::collections::VecDeque;
use std::num::NonZeroU32;

use cartvision_core::{
    CameraId, Change, Detections, Effects, Input, MAX_DETECTIONS, MAX_LINES, MAX_QUESTIONS, MAX_TRACKS,
    MediaTime, Session,
};
use cartvision_wire::command::{Adjuster, BasketAdjust};
use cartvision_wire::event::{
    self, BundleName, CameraDegraded, CameraRecovered, Cameras, Correction, FinalBasket, LogOpened, Removal,
    Replacement, SessionEnded, SessionSettled, SessionStarted,
};
use cartvision_wire::telemetry::QueueFigures;
use cartvision_wire::{
    Basket, BasketLine, CameraName, DecidedBy, EventData, EventError, EventId, Probability, SessionId,
};
use uuid::Uuid;

use crate::catalogue::Catalogue;
use crate::classifier::Classifier;
use crate::clock::TimeLine;
use crate::corrections::{Corrections, Piece};
use crate::journal::{Journal, Row};
use crate::store::{Log, Position};
pub(crate) use answered::Answered;
pub(crate) use kept::Kept;

/// Why a command about the session cannot be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SessionRefusal {
    /// There is no open session.
    NoSession,
    /// Another one is open.
    Open(SessionId),
    /// The open one has another name.
    Mismatch(SessionId),
    /// No such item in the catalogue.
    UnknownItem(String),
    /// No such event in this session.
    UnknownEvent(EventId),
}

/// Commands that are known when they come again. They are refused after 30 s anyway: that is eight each second.
const MAX_OBEYED: usize = 256;

/// The cart's mind and memory.
#[derive(Debug)]
pub(crate) struct Cart {
    core: Box<Session>,
    classifier: Classifier,
    effects: Effects,
    catalogue: Catalogue,
    cameras: Vec<CameraName>,
    bundle: BundleName,
    journal: Journal,
    time: TimeLine,
    session: Option<SessionId>,
    /// Whose basket it is: the open session's, or the last one's.
    basket_of: Option<SessionId>,
    corrections: Corrections,
    /// Commands that were carried out lately, oldest first: at most [`MAX_OBEYED`], and the oldest gives way.
    obeyed: VecDeque<Uuid>,
    /// Recorded and not taken away yet. Empty between the loop's turns.
    rows: Vec<Row>,
    /// Where the last recorded event stands.
    last: Option<Position>,
    /// The core's questions, likewise; `None` where nobody wants to know.
    answered: Option<Vec<Answered>>,
    overflows: u64,
}

impl Cart {
    /// A cart outside a session. A new log is opened with an event that says why.
    pub(crate) fn open(
        core: Box<Session>,
        classifier: Classifier,
        catalogue: Catalogue,
        cameras: Vec<CameraName>,
        bundle: &str,
        (journal, log): (Journal, Log),
        time: TimeLine,
    ) -> Result<Self, EventError> {
        let mut cart = Self {
            core,
            classifier,
            effects: Effects::new(),
            catalogue,
            cameras,
            bundle: bundle.into(),
            journal,
            time,
            session: None,
            basket_of: None,
            corrections: Corrections::default(),
            obeyed: VecDeque::new(),
            rows: Vec::new(),
            last: None,
            answered: None,
            overflows: 0,
        };
        if let Log::Opened { reason, previous } = log {
            let (previous_epoch, last_sequence) = previous.unzip();
            let opened = LogOpened { previous_epoch, last_sequence, reason, clock: time.clock() };
            cart.record(MediaTime::ZERO, MediaTime::ZERO, EventData::LogOpened(opened))?;
        }
        Ok(cart)
    }

    /// What a detector saw in a picture that was captured at `at`.
    pub(crate) fn saw(
        &mut self,
        camera: CameraId,
        at: MediaTime,
        detections: &mut Detections,
    ) -> Result<(), EventError> {
        self.catalogue.unify(detections);
        self.step(at, Input::Detected { camera, detections })
    }

    /// Whether this camera is looked at too seldom to decide by.
    pub(crate) fn is_slow(&self, camera: CameraId) -> bool {
        self.core.is_slow(camera)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: MediaTime) -> Result<(), EventError> {
        self.step(now, Input::Tick)
    }

    /// A camera gives no pictures; `reason` is for people.
    pub(crate) fn camera_lost(
        &mut self,
        now: MediaTime,
        camera: CameraId,
        reason: &str,
    ) -> Result<(), EventError> {
        self.step(now, Input::CameraLost { camera })?;
        let Some(name) = self.cameras.get(camera.index()).cloned() else { return Ok(()) };
        let clock = self.time.clock();
        let lost = CameraDegraded { camera: name, reason: reason.into(), media_time_ms: now.as_ms(), clock };
        self.record(now, now, EventData::CameraDegraded(lost)).map(drop)
    }

    /// A camera's recording is over: nobody waits for it any more.
    pub(crate) fn camera_ended(&mut self, now: MediaTime, camera: CameraId) -> Result<(), EventError> {
        self.step(now, Input::CameraLost { camera })
    }

    /// A camera gives pictures again.
    pub(crate) fn camera_recovered(&mut self, now: MediaTime, camera: CameraId) -> Result<(), EventError> {
        let Some(name) = self.cameras.get(camera.index()).cloned() else { return Ok(()) };
        let clock = self.time.clock();
        let back = CameraRecovered { camera: name, media_time_ms: now.as_ms(), clock };
        self.record(now, now, EventData::CameraRecovered(back)).map(drop)
    }

    /// Opens a session. Opening the open one again is fine and does nothing.
    pub(crate) fn start_session(
        &mut self,
        now: MediaTime,
        id: &SessionId,
    ) -> Result<Result<(), SessionRefusal>, EventError> {
        match &self.session {
            Some(open) if open == id => return Ok(Ok(())),
            Some(open) => return Ok(Err(SessionRefusal::Open(open.clone()))),
            None => {}
        }
        // Acts from before the session are decided first, outside of it.
        self.step(now, Input::SessionStarted)?;
        self.session = Some(id.clone());
        self.basket_of = Some(id.clone());
        self.corrections.clear();
        let started = SessionStarted {
            media_time_ms: now.as_ms(),
            cameras: self.cameras.iter().cloned().collect(),
            bundle: self.bundle.clone(),
            clock: self.time.clock(),
        };
        self.record(now, now, EventData::SessionStarted(started))?;
        Ok(Ok(()))
    }

    /// Ends the open session (which must be `id`, if given). Without a cloud no question outlives it, so it is
    /// settled at once.
    pub(crate) fn end_session(
        &mut self,
        now: MediaTime,
        id: Option<&SessionId>,
    ) -> Result<Result<(), SessionRefusal>, EventError> {
        if let Err(refusal) = self.named(id) {
            return Ok(Err(refusal));
        }
        self.step(now, Input::SessionEnded)?;
        let clock = self.time.clock();
        let ended = SessionEnded {
            media_time_ms: now.as_ms(),
            basket: FinalBasket::new(self.lines()),
            pending_questions: std::iter::empty().collect(),
            clock,
        };
        self.record(now, now, EventData::SessionEnded(ended))?;
        let settled = SessionSettled { media_time_ms: now.as_ms(), clock };
        self.record(now, now, EventData::SessionSettled(settled))?;
        self.session = None;
        Ok(Ok(()))
    }

    /// Staff or a scanner puts the basket right: as events of their own, or as a correction of an event.
    pub(crate) fn adjust(
        &mut self,
        now: MediaTime,
        adjust: &BasketAdjust,
    ) -> Result<Result<(), SessionRefusal>, EventError> {
        if let Err(refusal) = self.named(Some(&adjust.session)) {
            return Ok(Err(refusal));
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for line in adjust.changes.iter() {
            let Some(class) = self.catalogue.class(&line.id) else {
                return Ok(Err(SessionRefusal::UnknownItem(line.id.to_string())));
            };
            let change = if line.delta.get() > 0 { Change::Added } else { Change::Removed };
            pieces.push((change, class, line.delta.get().unsigned_abs()));
        }
        let decided_by = match adjust.by {
            Adjuster::Staff => DecidedBy::Staff,
            Adjuster::Scanner => DecidedBy::Scanner,
        };
        let Some(event) = adjust.corrects else {
            for piece in pieces {
                self.apply(now, piece, true)?;
                self.record_adjustment(now, piece, decided_by)?;
            }
            return Ok(Ok(()));
        };
        let Some((revision, before)) = self.corrections.replace(event, pieces.clone()) else {
            return Ok(Err(SessionRefusal::UnknownEvent(event)));
        };
        for piece in before {
            self.apply(now, piece, false)?;
        }
        for piece in &pieces {
            self.apply(now, *piece, true)?;
        }
        let correction = Correction {
            corrects: event,
            revision,
            replacement: pieces.iter().filter_map(|p| self.replacement(*p)).collect(),
            decided_by,
            media_time_ms: now.as_ms(),
            decided_media_time_ms: now.as_ms(),
            after_settlement: false,
            bundle: self.bundle.clone(),
            clock: self.time.clock(),
        };
        self.record(now, now, EventData::ItemCorrected(correction))?;
        Ok(Ok(()))
    }

    /// Whether this command was carried out lately.
    pub(crate) fn has_obeyed(&self, command: Uuid) -> bool {
        self.obeyed.contains(&command)
    }

    /// This command was carried out.
    pub(crate) fn note_obeyed(&mut self, command: Uuid) {
        if self.obeyed.len() == MAX_OBEYED {
            self.obeyed.pop_front();
        }
        self.obeyed.push_back(command);
    }

    /// What was recorded since the last time.
    pub(crate) fn take_rows(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }

    /// Keeps the core's questions from now on, to be taken away by [`Self::take_answered`].
    pub(crate) fn keep_answered(&mut self) {
        self.answered.get_or_insert_default();
    }

    /// The questions that were answered since the last time, where they are kept.
    pub(crate) fn take_answered(&mut self) -> impl Iterator<Item = Answered> {
        self.answered.iter_mut().flat_map(|kept| kept.drain(..))
    }

    /// The basket as of the last recorded event; `None` before the first.
    pub(crate) fn basket(&self) -> Option<Basket> {
        let (epoch, sequence) = self.last?;
        Some(Basket { session: self.basket_of.clone(), epoch, sequence, lines: self.lines().collect() })
    }

    /// The open session.
    pub(crate) fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// What is in the core's bounded places, and what went over their bounds.
    pub(crate) fn queues(&self) -> [QueueFigures; 4] {
        let core = self.core.counters();
        let queue = |name: &str, depth: usize, bound: usize, dropped: u64| QueueFigures {
            queue: name.into(),
            depth: depth as u64,
            bound: bound as u64,
            dropped,
        };
        [
            queue("tracks", self.core.most_tracks(), MAX_TRACKS, core.tracks_refused),
            queue("detections", 0, MAX_DETECTIONS, core.detections_refused),
            // Every question is answered within the step that asks it; an act that waits is no depth to watch.
            queue("questions", 0, MAX_QUESTIONS, core.questions_refused + core.acts_refused),
            queue("basket-lines", self.core.basket().lines().len(), MAX_LINES, self.overflows),
        ]
    }

    /// Who answers the core's questions.
    pub(crate) fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// From now on this one answers; what the one before counted goes on.
    pub(crate) fn set_classifier(&mut self, mut classifier: Classifier) {
        classifier.count_on(&self.classifier);
        self.classifier = classifier;
    }

    /// Pictures that the core dropped because a later one of that camera had come first.
    pub(crate) fn out_of_order(&self) -> u64 {
        self.core.counters().out_of_order
    }

    fn named(&self, id: Option<&SessionId>) -> Result<(), SessionRefusal> {
        match (&self.session, id) {
            (None, _) => Err(SessionRefusal::NoSession),
            (Some(open), Some(id)) if open != id => Err(SessionRefusal::Mismatch(open.clone())),
            _ => Ok(()),
        }
    }

    fn record_adjustment(&mut self, now: MediaTime, piece: Piece, by: DecidedBy) -> Result<(), EventError> {
        let (change, class, count) = piece;
        let Some(quantity) = NonZeroU32::new(count) else { return Ok(()) };
        let act = event::Act {
            item: self.catalogue.item(class),
            quantity,
            confidence: Probability::ONE,
            decided_by: by,
            cameras: Cameras::default(),
            media_time_ms: now.as_ms(),
            decided_media_time_ms: now.as_ms(),
            candidates: std::iter::empty().collect(),
            bundle: self.bundle.clone(),
            clock: self.time.clock(),
        };
        let data = match change {
            Change::Added => EventData::ItemAdded(act),
            Change::Removed => EventData::ItemRemoved(Removal { act, not_in_basket: false }),
        };
        let event = self.record(now, now, data)?;
        self.corrections.note(event, vec![piece]);
        Ok(())
    }

    /// Does a piece to the core's basket, or undoes it.
    fn apply(
        &mut self,
        now: MediaTime,
        (change, item, count): Piece,
        forward: bool,
    ) -> Result<(), EventError> {
        let change = match (change, forward) {
            (Change::Added, true) | (Change::Removed, false) => Change::Added,
            (Change::Removed, true) | (Change::Added, false) => Change::Removed,
        };
        // A basket's line ends there anyway.
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.step(now, Input::Adjusted { item, count, change })
    }

    fn replacement(&self, (change, class, count): Piece) -> Option<Replacement> {
        let quantity = NonZeroU32::new(count)?;
        let change = outside(change);
        Some(Replacement { change, item: self.catalogue.item(class), quantity, confidence: Probability::ONE })
    }

    fn lines(&self) -> impl Iterator<Item = BasketLine> {
        self.core.basket().lines().iter().filter_map(|(class, count)| {
            let quantity = NonZeroU32::new((*count).into())?;
            Some(BasketLine { item: self.catalogue.item(*class), quantity })
        })
    }

    /// Records an event of the open session.
    fn record(&mut self, moment: MediaTime, now: MediaTime, data: EventData) -> Result<EventId, EventError> {
        self.record_for(self.session.clone(), moment, now, data)
    }

    fn record_for(
        &mut self,
        session: Option<SessionId>,
        moment: MediaTime,
        now: MediaTime,
        data: EventData,
    ) -> Result<EventId, EventError> {
        let row = self.journal.record(session.as_ref(), self.time.utc(moment, now), data)?;
        let id = row.id;
        self.last = Some((row.epoch, row.sequence));
        self.rows.push(row);
        Ok(id)
    }
}

/// A change as the outside calls it.
fn outside(change: Change) -> cartvision_wire::Change {
    match change {
        Change::Added => cartvision_wire::Change::Added,
        Change::Removed => cartvision_wire::Change::Removed,
    }
}
