//! What an event says, one struct for each type.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::basket::BasketLine;
use crate::bounded::{List, Text};
use crate::item::{Candidates, Change, DecidedBy, Item, OpenChange};
use crate::name::CameraName;
use crate::position::{Epoch, EventId, Sequence};
use crate::table::names;
use crate::time::Clock;
use crate::unit::Probability;

/// A bundle's `name@version`.
pub type BundleName = Text<128>;

/// A reason for people.
pub type Reason = Text<200>;

/// The cameras that saw an act.
pub type Cameras = List<CameraName, 16>;

/// Event types with their data.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($data:ident) = $name:literal,)*) => {
        names! {
            /// The `type` of an event.
            pub enum EventType {
                $($(#[$doc])* $variant = $name,)*
            }
        }

        /// The `data` of an event; its variant decides the event's `type`.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum EventData {
            $($(#[$doc])* $variant($data),)*
        }

        impl EventData {
            /// The event's type.
            pub const fn event_type(&self) -> EventType {
                match self {
                    $(Self::$variant(_) => EventType::$variant,)*
                }
            }

            pub(super) fn read(event_type: EventType, data: Value) -> Result<Self, serde_json::Error> {
                match event_type {
                    $(EventType::$variant => serde_json::from_value(data).map(Self::$variant),)*
                }
            }
        }
    };
}

events! {
    /// Something came into the basket.
    ItemAdded(Act) = "cartvision.item.added.v1",
    /// Something left the basket.
    ItemRemoved(Removal) = "cartvision.item.removed.v1",
    /// Something happened and nobody could say surely what; the basket stays as it is.
    ItemUnresolved(Unresolved) = "cartvision.item.unresolved.v1",
    /// An earlier event was wrong, or is now known.
    ItemCorrected(Correction) = "cartvision.item.corrected.v1",
    /// A shopping session began.
    SessionStarted(SessionStarted) = "cartvision.session.started.v1",
    /// A shopping session is over.
    SessionEnded(SessionEnded) = "cartvision.session.ended.v1",
    /// No question of the session is open any more.
    SessionSettled(SessionSettled) = "cartvision.session.settled.v1",
    /// A camera cannot be relied on.
    CameraDegraded(CameraDegraded) = "cartvision.camera.degraded.v1",
    /// A camera can be relied on again.
    CameraRecovered(CameraRecovered) = "cartvision.camera.recovered.v1",
    /// A new epoch began: always its first event.
    LogOpened(LogOpened) = "cartvision.log.opened.v1",
}

/// An act: something was put in or taken out. Times are milliseconds on the source's own time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// What it was about.
    pub item: Item,
    /// How many of it.
    pub quantity: NonZeroU32,
    /// Calibrated: how likely this event is right.
    pub confidence: Probability,
    /// Who decided.
    pub decided_by: DecidedBy,
    /// The cameras that saw it; none for what staff or a scanner said.
    pub cameras: Cameras,
    /// The moment of the act: the same as the event's `time`.
    pub media_time_ms: u64,
    /// When the decision fell.
    pub decided_media_time_ms: u64,
    /// What else it may have been.
    pub candidates: Candidates,
    /// The model bundle that was at work.
    pub bundle: BundleName,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// A removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The act.
    #[serde(flatten)]
    pub act: Act,
    /// Whether it takes out what the basket never held; left out when false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_in_basket: bool,
}

/// An act that stayed in doubt. `item` is the best guess.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// What it seems to have done.
    pub change: OpenChange,
    /// The act.
    #[serde(flatten)]
    pub act: Act,
    /// Why it stayed in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The most changes that may stand in a corrected event's place: what an event has room for.
pub const MAX_REPLACEMENTS: usize = 8;

/// What an earlier event should have said. The highest revision wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The event it corrects (never itself a correction).
    pub corrects: EventId,
    /// From 1, one more for every correction of the same event.
    pub revision: NonZeroU32,
    /// All that stands in the event's place; empty retracts it.
    pub replacement: List<Replacement, MAX_REPLACEMENTS>,
    /// Who decided.
    pub decided_by: DecidedBy,
    /// The moment of the act.
    pub media_time_ms: u64,
    /// When the correction was decided.
    pub decided_media_time_ms: u64,
    /// Whether the session had been settled before; left out when false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub after_settlement: bool,
    /// The model bundle that was at work.
    pub bundle: BundleName,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// One of the changes that stand in a corrected event's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// In or out.
    pub change: Change,
    /// What it was about.
    pub item: Item,
    /// How many of it.
    pub quantity: NonZeroU32,
    /// How likely this is right.
    pub confidence: Probability,
}

/// A session's beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// When.
    pub media_time_ms: u64,
    /// The cameras that watch.
    pub cameras: Cameras,
    /// The model bundle at work.
    pub bundle: BundleName,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// A session's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// When.
    pub media_time_ms: u64,
    /// What the basket holds.
    pub basket: FinalBasket,
    /// Acts whose answer may still come, oldest first. Empty: `settled` follows at once.
    pub pending_questions: List<PendingQuestion, 16>,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// What a basket held in the end, as much of it as an event can carry; the retained basket carries all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalBasket {
    lines: Vec<BasketLine>,
    #[serde(default, skip_serializing_if = "is_zero")]
    lines_omitted: u32,
}

impl FinalBasket {
    /// The most bytes of JSON that its lines take, so that the event stays below 8 KiB.
    pub const MAX_BYTES: usize = 5 * 1024;

    /// Keeps lines, in order, while they fit into [`Self::MAX_BYTES`], and counts the others.
    pub fn new(lines: impl IntoIterator<Item = BasketLine>) -> Self {
        let mut basket = Self::default();
        let mut left = Self::MAX_BYTES;
        for line in lines {
            // A line that cannot be written takes more than any room there is.
            let bytes = serde_json::to_vec(&line).map_or(usize::MAX, |json| json.len() + 1);
            if basket.lines_omitted == 0 && bytes <= left {
                left -= bytes;
                basket.lines.push(line);
            } else {
                basket.lines_omitted = basket.lines_omitted.saturating_add(1);
            }
        }
        basket
    }

    /// The lines that the event carries.
    pub fn lines(&self) -> &[BasketLine] {
        &self.lines
    }

    /// How many lines it does not carry.
    pub fn lines_omitted(&self) -> u32 {
        self.lines_omitted
    }
}

/// An act whose answer may still come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingQuestion {
    /// What it seems to have done.
    pub change: OpenChange,
    /// The moment of the act.
    pub media_time_ms: u64,
    /// The `unresolved` event that has gone out for it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<EventId>,
}

/// A session's settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettled {
    /// When.
    pub media_time_ms: u64,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// A camera that cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraDegraded {
    /// Which.
    pub camera: CameraName,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub media_time_ms: u64,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// A camera that can be relied on again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraRecovered {
    /// Which.
    pub camera: CameraName,
    /// Since when.
    pub media_time_ms: u64,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// An epoch's beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOpened {
    /// The epoch before, where it is known.
    pub previous_epoch: Option<Epoch>,
    /// The last sequence of the epoch before that is known to have been used.
    pub last_sequence: Option<Sequence>,
    /// Why the log starts anew.
    pub reason: LogReason,
    /// How far to trust the event's `time`.
    pub clock: Clock,
}

/// Why an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogReason {
    /// There was no database.
    New,
    /// The database came back from a backup.
    Restored,
    /// The database is another cart's copy.
    Cloned,
    /// The database could not be read.
    Damaged,
    /// A replay of recorded files: nothing is carried over.
    Replay,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
