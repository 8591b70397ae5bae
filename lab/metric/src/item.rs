//! Which item a change or an event was about, and when the two are the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The name under which everything goes that is not in the catalogue.
pub const UNKNOWN: &str = "unknown";

/// The item of a true change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// A catalogue id; the label where the truth gives no id (a file made by hand).
    Named(String),
    /// Something real that is not in the catalogue.
    Unknown,
}

/// The item of an event, as the cart reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The catalogue id; none for what is not in the catalogue.
    pub id: Option<String>,
    /// For people; the truth of a hand-made file is held against it too.
    pub label: String,
}

impl Identity {
    /// Whether the event is about this item: its id, or its label where labels serve as ids.
    pub fn is(&self, reported: &Reported) -> bool {
        match self {
            Self::Named(name) => reported.id.as_ref() == Some(name) || reported.label == *name,
            Self::Unknown => reported.id.is_none(),
        }
    }

    /// The name that counts and tables go by.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Unknown => UNKNOWN,
        }
    }
}

impl Reported {
    /// The name that counts and tables go by: the one under which the truth (`names`) knows the item, so that
    /// baskets of labels and baskets of ids can be compared.
    pub fn name(&self, names: &BTreeSet<&str>) -> &str {
        match &self.id {
            Some(id) if names.contains(id.as_str()) => id,
            _ if names.contains(self.label.as_str()) => &self.label,
            Some(id) => id,
            None => UNKNOWN,
        }
    }
}
