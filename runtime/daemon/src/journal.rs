//! The cart's record of what was decided: each event gets its position, its id and its final bytes, once.

use cartvision_wire::{
    CartId, Epoch, Event, EventData, EventError, EventId, EventType, Sequence, SessionId, UtcTime,
};
use uuid::Uuid;

use crate::store::Position;

/// An event as it goes out, now and whenever it is sent again.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) epoch: Epoch,
    pub(crate) sequence: Sequence,
    pub(crate) id: EventId,
    pub(crate) event_type: EventType,
    pub(crate) json: String,
}

/// How ids are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ids {
    /// UUIDv7 of the moment.
    Live,
    /// From the content, so that two replays give the same file.
    Content,
}

/// Gives positions. One epoch, one sequence without a gap.
#[derive(Debug)]
pub(crate) struct Journal {
    cart: CartId,
    ids: Ids,
    epoch: Epoch,
    next: Sequence,
}

impl Journal {
    /// A running cart's: a new epoch.
    pub(crate) fn opened(cart: CartId) -> Self {
        Self { cart, ids: Ids::Live, epoch: Epoch(Uuid::now_v7()), next: Sequence::FIRST }
    }

    /// A running cart's: goes on after this position.
    pub(crate) fn continued(cart: CartId, (epoch, last): Position) -> Self {
        Self { cart, ids: Ids::Live, epoch, next: last.next() }
    }

    /// The epoch of a replay: `digest` stands for all that was put in.
    pub(crate) fn replayed(cart: CartId, start: UtcTime, digest: &[u8]) -> Self {
        let epoch = Epoch::from_content(start, digest);
        Self { cart, ids: Ids::Content, epoch, next: Sequence::FIRST }
    }

    /// Records an event.
    pub(crate) fn record(
        &mut self,
        session: Option<&SessionId>,
        time: UtcTime,
        data: EventData,
    ) -> Result<Row, EventError> {
        let (epoch, sequence, event_type) = (self.epoch, self.next, data.event_type());
        let id = match self.ids {
            Ids::Live => EventId(Uuid::now_v7()),
            Ids::Content => EventId::of_replayed(epoch, sequence, &data)?,
        };
        let event =
            Event { id, cart: self.cart.clone(), session: session.cloned(), time, epoch, sequence, data };
        let json = event.to_json()?;
        self.next = sequence.next();
        Ok(Row { epoch, sequence, id, event_type, json })
    }
}
