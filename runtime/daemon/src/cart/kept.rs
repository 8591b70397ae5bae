//! What of a cart outlives its process: the session, its basket, and what of it can still be corrected.
//!
//! Items are named by what the outside calls them: the next process may have another bundle, with other classes. What
//! the cameras see is not kept: what rests in the cart when a process starts is stock to it, and the basket says whose.
//! No question to a cloud can be open yet: there is no cloud.

use std::collections::VecDeque;

use cartvision_core::{Change, Input, MediaTime};
use cartvision_wire::event::BundleName;
use cartvision_wire::{EventError, EventId, Item, SessionId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Cart, outside};
use crate::corrections::{Piece, Standing};
use crate::store::Position;

/// A cart's state between two processes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The open session.
    session: Option<SessionId>,
    /// Whose basket it is.
    basket_of: Option<SessionId>,
    /// By which bundle the items were told apart.
    bundle: BundleName,
    basket: Vec<(Item, u16)>,
    standing: Vec<KeptStanding>,
    /// Commands that were carried out lately.
    #[serde(default)]
    obeyed: VecDeque<Uuid>,
}

/// An event that can still be corrected.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct KeptStanding {
    event: EventId,
    revision: u32,
    pieces: Vec<(cartvision_wire::Change, Item, u32)>,
}

impl Kept {
    /// Reads it.
    pub(crate) fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

impl Cart {
    /// The state as JSON, to be kept with what was recorded.
    pub(crate) fn kept(&self) -> Result<String, serde_json::Error> {
        let piece = |(change, class, count): &Piece| (outside(*change), self.catalogue.item(*class), *count);
        let standing = |s: &Standing| KeptStanding {
            event: s.event,
            revision: s.revision,
            pieces: s.pieces.iter().map(piece).collect(),
        };
        serde_json::to_string(&Kept {
            session: self.session.clone(),
            basket_of: self.basket_of.clone(),
            bundle: self.bundle.clone(),
            basket: self.core.basket().lines().iter().map(|(c, n)| (self.catalogue.item(*c), *n)).collect(),
            standing: self.corrections.standing().map(standing).collect(),
            obeyed: self.obeyed.clone(),
        })
    }

    /// Goes on where another process stopped, whose last event was `last`. What the bundle does not know any more is
    /// left out, and said.
    pub(crate) fn resume(&mut self, now: MediaTime, kept: Kept, last: Position) -> Result<(), EventError> {
        // A new log may have been opened since.
        self.last.get_or_insert(last);
        self.basket_of = kept.basket_of;
        self.obeyed = kept.obeyed;
        if kept.session.is_some() {
            self.step(now, Input::SessionStarted)?;
        }
        self.session = kept.session;
        for (item, count) in kept.basket {
            match self.catalogue.class_of(&item) {
                Some(item) => self.step(now, Input::Adjusted { item, count, change: Change::Added })?,
                None => tracing::error!(
                    item = %item.label(),
                    count,
                    before = %kept.bundle,
                    now = %self.bundle,
                    "the basket holds an item that this bundle does not know: it is left out"
                ),
            }
        }
        for KeptStanding { event, revision, pieces } in kept.standing {
            let piece = |(change, item, count): (cartvision_wire::Change, Item, u32)| {
                let change = match change {
                    cartvision_wire::Change::Added => Change::Added,
                    cartvision_wire::Change::Removed => Change::Removed,
                };
                Some((change, self.catalogue.class_of(&item)?, count))
            };
            // An event of which a part is not known cannot be undone any more.
            if let Some(pieces) = pieces.into_iter().map(piece).collect::<Option<_>>() {
                self.corrections.resume(Standing { event, revision, pieces });
            }
        }
        Ok(())
    }
}
