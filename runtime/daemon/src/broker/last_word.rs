//! Whether another client speaks in the cart's name.

use std::cell::Cell;

use cartvision_wire::{ConnectionId, State, Status};

/// The last connection whose state the broker took: what it keeps as our state was said by this one, unless
/// somebody else has spoken in our name since.
///
/// A broker that does not say why it closes a connection leaves two clients of one name coming back for ever, each
/// closing the other's connection. So each reads the kept state when it comes back: if that is another's, newer
/// than our last, and not `offline`, we are the older one and give up. (Ids are UUIDv7, so a state that a broker
/// brought back from before a crash of its own is no reason.)
#[derive(Debug, Default)]
pub(super) struct LastWord(Cell<Option<ConnectionId>>);

impl LastWord {
    /// The broker has taken this connection's state.
    pub(super) fn set(&self, connection: ConnectionId) {
        self.0.set(Some(connection));
    }

    /// Whether `kept` was said by a newer client than us; `present` is our connection that reads it.
    pub(super) fn is_answered_by(&self, kept: &State, present: ConnectionId) -> bool {
        kept.status != Status::Offline
            && kept.connection_id != present
            && self.0.get().is_some_and(|last| kept.connection_id.0 > last.0)
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
            word.set(id(last));
            assert_eq!(word.is_answered_by(&kept, id(present)), expected, "{status:?} by {by}");
        }
    }
}
