//! Where an event stands and who it is: (epoch, sequence), and the id that makes a resend recognizable.

use std::fmt;
use std::num::NonZeroU64;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::event::EventType;
use crate::time::UtcTime;

/// One life of the cart's event log: a UUIDv7. Within it the sequence has no gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Uuid);

/// An event's id: UUIDv7 live, [`EventId::from_content`] in replay. The same event always carries the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// One connection to the broker: the state it announces and its will carry the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub Uuid);

/// The namespace of ids derived from content; drawn once at random.
const CONTENT: Uuid = Uuid::from_u128(0x7c9f_3a52_61f4_4d0e_9b0a_e2f3_5d18_46c7);

impl Epoch {
    /// A replay's epoch: a UUIDv7 whose time is the replay's start and whose other bits come from `digest`,
    /// which stands for all that the replay reads. Equal inputs, equal epoch.
    pub fn from_content(start: UtcTime, digest: &[u8]) -> Self {
        let hash = Uuid::new_v5(&CONTENT, digest).into_bytes();
        // Bytes 6 and 8 hold version and variant: the others are all hash.
        let bits =
            [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[9], hash[10], hash[11], hash[12]];
        Self(Builder::from_unix_timestamp_millis(start.as_ms(), &bits).into_uuid())
    }
}

impl EventId {
    /// A replayed event's id (UUIDv5): equal position, type and data, equal id.
    pub fn from_content(epoch: Epoch, sequence: Sequence, event_type: EventType, data_json: &[u8]) -> Self {
        let mut content = Vec::with_capacity(64 + data_json.len());
        content.extend_from_slice(epoch.0.as_bytes());
        content.extend_from_slice(&sequence.get().to_be_bytes());
        content.extend_from_slice(event_type.as_str().as_bytes());
        // No type holds a NUL, so no two contents run together into the same bytes.
        content.push(0);
        content.extend_from_slice(data_json);
        Self(Uuid::new_v5(&CONTENT, &content))
    }
}

/// An event's number within its epoch, from 1. In JSON a string of 20 digits, so that text sorts as numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(NonZeroU64);

/// Digits of a sequence in JSON.
const DIGITS: usize = 20;

impl Sequence {
    /// The first of an epoch.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The sequence `number`; `None` for 0.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The one after this. (It ends at 2^64 − 1, which no cart reaches.)
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$}", self.0)
    }
}

impl Serialize for Sequence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = if text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().ok().and_then(Self::new)
        } else {
            None
        };
        number
            .ok_or_else(|| D::Error::custom("a sequence is a string of 20 digits, from 00000000000000000001"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(epoch: Epoch, sequence: u64, event_type: EventType, data: &str) -> EventId {
        EventId::from_content(epoch, Sequence::new(sequence).unwrap(), event_type, data.as_bytes())
    }

    #[test]
    fn content_decides_the_id() {
        let epoch = Epoch::from_content(UtcTime::EPOCH, b"clip");
        let base = id(epoch, 1, EventType::ItemAdded, "{}");
        assert_eq!(base, id(epoch, 1, EventType::ItemAdded, "{}"));
        assert_eq!(base.0.get_version_num(), 5);
        let others = [
            id(Epoch::from_content(UtcTime::EPOCH, b"klip"), 1, EventType::ItemAdded, "{}"),
            id(epoch, 2, EventType::ItemAdded, "{}"),
            id(epoch, 1, EventType::ItemRemoved, "{}"),
            id(epoch, 1, EventType::ItemAdded, "{ }"),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn a_replayed_epoch_is_a_v7_of_its_start() {
        let start = UtcTime::from_ms(1_795_428_930_123);
        let epoch = Epoch::from_content(start, b"clip");
        assert_eq!(epoch, Epoch::from_content(start, b"clip"));
        assert_ne!(epoch, Epoch::from_content(start.plus_ms(1), b"clip"));
        assert_eq!(epoch.0.get_version_num(), 7);
        let (seconds, nanoseconds) = epoch.0.get_timestamp().unwrap().to_unix();
        assert_eq!(seconds * 1000 + u64::from(nanoseconds) / 1_000_000, start.as_ms());
    }

    #[test]
    fn sequences_are_strict() {
        for bad in [
            "42",
            "\"42\"",
            "\"0000000000000000042\"",
            "\"000000000000000000042\"",
            "\"00000000000000000000\"",
            "\"99999999999999999999\"",
            "\"+0000000000000000042\"",
        ] {
            assert!(serde_json::from_str::<Sequence>(bad).is_err(), "{bad} was taken");
        }
        assert_eq!(Sequence::FIRST.next().to_string(), "00000000000000000002");
    }

    proptest! {
        #[test]
        fn text_sorts_as_numbers_do(a in 1_u64.., b in 1_u64..) {
            let (a, b) = (Sequence::new(a).unwrap(), Sequence::new(b).unwrap());
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            let json = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(json.len(), 22);
            prop_assert_eq!(serde_json::from_str::<Sequence>(&json).unwrap(), a);
        }
    }
}
