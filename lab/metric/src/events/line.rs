//! Events as they are written: what the figures need of them, and nothing else.

use cartvision_wire::{Change, DecidedBy};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{MAX_QUANTITY, Piece};
use crate::item::Reported;

#[derive(Deserialize)]
pub(super) struct Envelope {
    pub(super) id: String,
    #[serde(rename = "type", default)]
    pub(super) event_type: String,
    #[serde(default)]
    pub(super) subject: Option<String>,
    #[serde(default)]
    pub(super) data: Value,
}

#[derive(Deserialize)]
pub(super) struct Act {
    pub(super) item: Reported,
    #[serde(default = "one", deserialize_with = "quantity")]
    pub(super) quantity: u32,
    #[serde(default, deserialize_with = "probability")]
    pub(super) confidence: Option<f64>,
    pub(super) decided_by: Option<DecidedBy>,
    pub(super) media_time_ms: f64,
    pub(super) decided_media_time_ms: f64,
    #[serde(default)]
    pub(super) candidates: Vec<Candidate>,
    #[serde(default)]
    pub(super) not_in_basket: bool,
    /// Of an unresolved one.
    #[serde(default)]
    pub(super) change: OpenChange,
}

#[derive(Deserialize)]
pub(super) struct Candidate {
    id: String,
    #[serde(default)]
    label: Option<String>,
}

impl From<Candidate> for Reported {
    fn from(candidate: Candidate) -> Self {
        Self { id: Some(candidate.id), label: candidate.label.unwrap_or_default() }
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OpenChange {
    Added,
    Removed,
    #[default]
    Unknown,
}

impl From<OpenChange> for Option<Change> {
    fn from(change: OpenChange) -> Self {
        match change {
            OpenChange::Added => Some(Change::Added),
            OpenChange::Removed => Some(Change::Removed),
            OpenChange::Unknown => None,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Correction {
    pub(super) corrects: String,
    pub(super) revision: u32,
    pub(super) replacement: Vec<Replacement>,
    pub(super) decided_by: Option<DecidedBy>,
}

#[derive(Deserialize)]
pub(super) struct Replacement {
    change: Change,
    item: Reported,
    #[serde(default = "one", deserialize_with = "quantity")]
    quantity: u32,
}

impl From<Replacement> for Piece {
    fn from(replacement: Replacement) -> Self {
        let Replacement { change: kind, item, quantity } = replacement;
        Self { kind, item, quantity }
    }
}

#[derive(Deserialize)]
pub(super) struct Ended {
    pub(super) media_time_ms: f64,
    pub(super) basket: Basket,
    #[serde(default)]
    pub(super) pending_questions: Vec<Question>,
}

#[derive(Deserialize)]
pub(super) struct Basket {
    pub(super) lines: Vec<BasketLine>,
    #[serde(default)]
    pub(super) lines_omitted: u32,
}

#[derive(Deserialize)]
pub(super) struct BasketLine {
    #[serde(flatten)]
    item: Reported,
    quantity: u32,
}

impl From<BasketLine> for Piece {
    fn from(line: BasketLine) -> Self {
        let BasketLine { item, quantity } = line;
        Self { kind: Change::Added, item, quantity }
    }
}

#[derive(Deserialize)]
pub(super) struct Question {
    pub(super) unresolved: Option<String>,
}

fn one() -> u32 {
    1
}

fn quantity<'de, D: Deserializer<'de>>(value: D) -> Result<u32, D::Error> {
    match u32::deserialize(value)? {
        n if (1..=MAX_QUANTITY).contains(&n) => Ok(n),
        n => Err(D::Error::custom(format_args!("{n} is no quantity: 1 to {MAX_QUANTITY}"))),
    }
}

fn probability<'de, D: Deserializer<'de>>(value: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(value)? {
        Some(p) if !(0.0..=1.0).contains(&p) => {
            Err(D::Error::custom(format_args!("{p} is no probability: 0 to 1")))
        }
        p => Ok(p),
    }
}
