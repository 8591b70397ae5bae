//! Events: CloudEvents 1.0 in JSON, the record of what was decided.

mod data;

pub use data::{
    Act, BundleName, CameraDegraded, CameraRecovered, Cameras, Correction, EventData, EventType, FinalBasket,
    LogOpened, LogReason, MAX_REPLACEMENTS, PendingQuestion, Reason, Removal, Replacement, SessionEnded,
    SessionSettled, SessionStarted, Unresolved,
};

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;

use crate::name::{CartId, SessionId};
use crate::position::{Epoch, EventId, Sequence};
use crate::time::UtcTime;

/// The most bytes one event takes as JSON.
pub const MAX_EVENT_BYTES: usize = 8 * 1024;

/// The MQTT content type of an event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

const SPEC_VERSION: &str = "1.0";
const DATA_CONTENT_TYPE: &str = "application/json";
/// The subject of an event outside a session.
const NO_SESSION: &str = "none";
const SOURCE_PREFIX: &str = "/carts/";

/// An event that cannot be written or read.
#[derive(Debug, Error)]
pub enum EventError {
    /// Larger than the contract allows. Bounds in the types keep every event far below; seeing this is a defect.
    #[error(
        "the {event_type} event takes {bytes} bytes and at most {MAX_EVENT_BYTES} may be sent; report this"
    )]
    TooLarge {
        /// Its type.
        event_type: &'static str,
        /// Its size as JSON.
        bytes: usize,
    },
    /// It could not be turned into JSON, which is a defect.
    #[error("the {event_type} event cannot be written as JSON: {source}; report this")]
    Unwritable {
        /// Its type.
        event_type: &'static str,
        /// What stood in the way.
        source: serde_json::Error,
    },
    /// What was read is no event of a type that we know.
    #[error("no valid event: {0}")]
    Unreadable(serde_json::Error),
}

/// One event. `specversion`, `source`, `type` and `datacontenttype` follow from the rest and are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Makes a resend recognizable.
    pub id: EventId,
    /// The cart it happened on: `source` is `/carts/{cart}`.
    pub cart: CartId,
    /// The session it belongs to; outside one (`subject` is `none`) it changes no basket.
    pub session: Option<SessionId>,
    /// The UTC moment of the act.
    pub time: UtcTime,
    /// With `sequence`, its position.
    pub epoch: Epoch,
    /// With `epoch`, its position: the order of decision.
    pub sequence: Sequence,
    /// What happened.
    pub data: EventData,
}

impl Event {
    /// The event as one line of JSON without a line end; equal events give equal bytes.
    ///
    /// # Errors
    /// [`EventError::TooLarge`] above [`MAX_EVENT_BYTES`].
    pub fn to_json(&self) -> Result<String, EventError> {
        let event_type = self.data.event_type().as_str();
        let json =
            serde_json::to_string(self).map_err(|source| EventError::Unwritable { event_type, source })?;
        match json.len() {
            bytes if bytes > MAX_EVENT_BYTES => Err(EventError::TooLarge { event_type, bytes }),
            _ => Ok(json),
        }
    }

    /// Reads an event. `None` is an event of a type that we do not know: new types are a minor change of the
    /// contract, and consumers pass over them.
    ///
    /// # Errors
    /// [`EventError::Unreadable`] when it is no event, or one of a known type with unfit data.
    pub fn from_json(json: &[u8]) -> Result<Option<Self>, EventError> {
        let envelope: Envelope = serde_json::from_slice(json).map_err(EventError::Unreadable)?;
        let Some(event_type) = EventType::parse(&envelope.event_type) else {
            return Ok(None);
        };
        envelope.open(event_type).map(Some).map_err(EventError::Unreadable)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("Event", 10)?;
        json.serialize_field("specversion", SPEC_VERSION)?;
        json.serialize_field("id", &self.id)?;
        json.serialize_field("source", &format_args!("{SOURCE_PREFIX}{}", self.cart))?;
        json.serialize_field("subject", self.session.as_ref().map_or(NO_SESSION, SessionId::as_str))?;
        json.serialize_field("type", self.data.event_type().as_str())?;
        json.serialize_field("time", &self.time)?;
        json.serialize_field("datacontenttype", DATA_CONTENT_TYPE)?;
        json.serialize_field("epoch", &self.epoch)?;
        json.serialize_field("sequence", &self.sequence)?;
        json.serialize_field("data", &self.data)?;
        json.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let envelope = Envelope::deserialize(deserializer)?;
        let event_type = EventType::parse(&envelope.event_type)
            .ok_or_else(|| D::Error::custom(format_args!("unknown type `{}`", envelope.event_type)))?;
        envelope.open(event_type).map_err(D::Error::custom)
    }
}

/// An event whose data is not looked into yet.
#[derive(Deserialize)]
struct Envelope {
    specversion: String,
    id: EventId,
    source: String,
    subject: String,
    #[serde(rename = "type")]
    event_type: String,
    time: UtcTime,
    datacontenttype: String,
    epoch: Epoch,
    sequence: Sequence,
    data: Value,
}

impl Envelope {
    fn open(self, event_type: EventType) -> Result<Event, serde_json::Error> {
        let unfit = <serde_json::Error as serde::de::Error>::custom::<String>;
        if self.specversion != SPEC_VERSION {
            return Err(unfit(format!("specversion {:?} where {SPEC_VERSION:?} is read", self.specversion)));
        }
        if self.datacontenttype != DATA_CONTENT_TYPE {
            return Err(unfit(format!("datacontenttype {:?} cannot be read", self.datacontenttype)));
        }
        let cart = self
            .source
            .strip_prefix(SOURCE_PREFIX)
            .ok_or_else(|| unfit(format!("source {:?} is not {SOURCE_PREFIX}{{cart}}", self.source)))?;
        let session = match self.subject {
            none if none == NO_SESSION => None,
            session => Some(SessionId::new(session).map_err(|e| unfit(e.to_string()))?),
        };
        Ok(Event {
            id: self.id,
            cart: CartId::new(cart).map_err(|e| unfit(e.to_string()))?,
            session,
            time: self.time,
            epoch: self.epoch,
            sequence: self.sequence,
            data: EventData::read(event_type, self.data)?,
        })
    }
}

impl EventId {
    /// The id of a replayed event: [`EventId::from_content`] over the data as it is written.
    ///
    /// # Errors
    /// [`EventError::Unwritable`] when the data cannot be written.
    pub fn of_replayed(epoch: Epoch, sequence: Sequence, data: &EventData) -> Result<Self, EventError> {
        let event_type = data.event_type();
        let json = serde_json::to_vec(data)
            .map_err(|source| EventError::Unwritable { event_type: event_type.as_str(), source })?;
        Ok(Self::from_content(epoch, sequence, event_type, &json))
    }
}
