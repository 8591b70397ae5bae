//! Whether another client speaks in the cart's name.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use cartvision_wire::{ConnectionId, State, Status};

/// The last connection whose state the broker took: what it keeps as our state was said by this one, unless
/// somebody else has spoken in our name since.
///
/// A broker that does not say why it closes a connection leaves two clients of one name coming back for ever, each
/// closing the other's connection. So each reads the kept state when it comes back: if that is another's, newer
/// than our last, and not `offline`, we are the older one and give up. (Ids are UUIDv7, so a state that a broker
/// brought back from before a crash of its own is no reason.)
#[derive(Debug, Default)]
pub(super) struct LastWord {
    taken: Cell<Option<ConnectionId>>,
    /// Connections that have said theirs since, and were not told that the broker took it: it may have.
    said: RefCell<VecDeque<ConnectionId>>,
}

/// When more connections in a row than this are not told, the oldest is forgotten, and what it said would be taken for
/// another client's: by then the broker has acknowledged nothing for many minutes.
const MAX_SAID: usize = 64;

impl LastWord {
    /// This connection sends its state.
    pub(super) fn say(&self, connection: ConnectionId) {
        let mut said = self.said.borrow_mut();
        if said.back() != Some(&connection) {
            if said.len() == MAX_SAID {
                said.pop_front();
            }
            said.push_back(connection);
        }
    }

    /// The broker has taken this connection's state.
    pub(super) fn set(&self, connection: ConnectionId) {
        self.taken.set(Some(connection));
        self.said.borrow_mut().retain(|said| said.0 > connection.0);
    }

    /// Whether `kept` was said by a newer client than us; `present` is our connection that reads it.
    pub(super) fn is_answered_by(&self, kept: &State, present: ConnectionId) -> bool {
        kept.status != Status::Offline
            && kept.connection_id != present
            && !self.said.borrow().contains(&kept.connection_id)
            && self.taken.get().is_some_and(|last| kept.connection_id.0 > last.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cartvision_wire::Clock;
    use uuid::Uuid;

    fn id(n: u128) -> ConnectionId {
        ConnectionId(Uuid::from_u128(n))
    }

    #[test]
    fn only_a_newer_living_client_is_a_reason_to_give_up() {
        let (last, present) = (5, 9);
        for (status, by, expected) in [
            (Status::Online, 7, true),
            (Status::Degraded, 7, true),
            // It has gone again.
            (Status::Offline, 7, false),
            // Brought back from before.
            (Status::Online, 3, false),
            (Status::Online, last, false),
            (Status::Online, present, false),
        ] {
            let kept = State {
                status,
                reasons: std::iter::empty().collect(),
                connection_id: id(by),
                version: "1".into(),
                bundle: "b".into(),
                clock: Clock { synced: false, uncertainty_ms: None },
                session: None,
                time: None,
            };
            let word = LastWord::default();
            assert!(!word.is_answered_by(&kept, id(present)), "whoever was there before us");
            word.say(id(last));
            word.set(id(last));
            assert_eq!(word.is_answered_by(&kept, id(present)), expected, "{status:?} by {by}");
            // We said it ourselves, and the acknowledgement got lost.
            word.say(id(by));
            assert!(!word.is_answered_by(&kept, id(present)), "{status:?} by {by}");
        }
    }
}
