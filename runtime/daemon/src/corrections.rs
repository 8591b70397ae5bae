//! Which events can be corrected, and what each of them stands for by now.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use cartvision_core::{Change, ClassId};
use cartvision_wire::EventId;

/// Events that can still be corrected. Beyond it the oldest is forgotten and a correction of it is refused.
const MAX_STANDING: usize = 1024;

/// One change of so many of one item.
pub(crate) type Piece = (Change, ClassId, u32);

/// An event and what stands in its place.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) event: EventId,
    /// Corrections so far.
    pub(crate) revision: u32,
    pub(crate) pieces: Vec<Piece>,
}

/// The session's events with what they stand for.
#[derive(Debug, Default)]
pub(crate) struct Corrections {
    standing: VecDeque<Standing>,
}

impl Corrections {
    /// Remembers a new event.
    pub(crate) fn note(&mut self, event: EventId, pieces: Vec<Piece>) {
        self.resume(Standing { event, revision: 0, pieces });
    }

    /// Remembers an event of an earlier process.
    pub(crate) fn resume(&mut self, standing: Standing) {
        if self.standing.len() == MAX_STANDING {
            self.standing.pop_front();
        }
        self.standing.push_back(standing);
    }

    /// What is remembered, oldest first.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Standing> {
        self.standing.iter()
    }

    /// Puts `pieces` in the place of what stood for `event`; gives the revision and what stood there before.
    /// `None` for an event that is not known.
    pub(crate) fn replace(&mut self, event: EventId, pieces: Vec<Piece>) -> Option<(NonZeroU32, Vec<Piece>)> {
        let standing = self.standing.iter_mut().find(|s| s.event == event)?;
        standing.revision = standing.revision.saturating_add(1);
        let before = std::mem::replace(&mut standing.pieces, pieces);
        Some((NonZeroU32::new(standing.revision)?, before))
    }

    /// A new session corrects nothing of the last one.
    pub(crate) fn clear(&mut self) {
        self.standing.clear();
    }
}
