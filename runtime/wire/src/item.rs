//! What an act was about: the item, how sure we are, and who decided.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bounded::{List, Text};
use crate::name::CatalogueId;
use crate::unit::Probability;

/// A label for people.
pub type Label = Text<64>;

/// Something real that was added to the basket or taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ItemJson", try_from = "ItemJson")]
pub enum Item {
    /// It is in the catalogue.
    Catalogue {
        /// The catalogue's identifier; the backend maps it to its own SKU and price.
        id: CatalogueId,
        /// Its name for people.
        label: Label,
    },
    /// It is real and not in the catalogue; its `id` is `null`.
    Unknown {
        /// What it looks like.
        label: Label,
    },
}

impl Item {
    /// The catalogue's identifier; none for what is not in it.
    pub fn id(&self) -> Option<&CatalogueId> {
        match self {
            Self::Catalogue { id, .. } => Some(id),
            Self::Unknown { .. } => None,
        }
    }

    /// The label for people.
    pub fn label(&self) -> &Label {
        match self {
            Self::Catalogue { label, .. } | Self::Unknown { label } => label,
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Catalogue,
    Unknown,
}

/// [`Item`] as it is written, where kind and id could disagree.
#[derive(Serialize, Deserialize)]
struct ItemJson {
    kind: Kind,
    id: Option<CatalogueId>,
    label: Label,
}

#[derive(Debug, Error)]
#[error("an item of kind `catalogue` has an id and one of kind `unknown` has none")]
struct KindAndId;

impl From<Item> for ItemJson {
    fn from(item: Item) -> Self {
        match item {
            Item::Catalogue { id, label } => Self { kind: Kind::Catalogue, id: Some(id), label },
            Item::Unknown { label } => Self { kind: Kind::Unknown, id: None, label },
        }
    }
}

impl TryFrom<ItemJson> for Item {
    type Error = KindAndId;
    fn try_from(json: ItemJson) -> Result<Self, KindAndId> {
        match (json.kind, json.id) {
            (Kind::Catalogue, Some(id)) => Ok(Self::Catalogue { id, label: json.label }),
            (Kind::Unknown, None) => Ok(Self::Unknown { label: json.label }),
            _ => Err(KindAndId),
        }
    }
}

/// One of the items that an act may have been about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The catalogue's identifier.
    pub id: CatalogueId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// How likely it is.
    pub p: Probability,
}

/// At most five candidates, the likeliest first: collect them in that order.
pub type Candidates = List<Candidate, 5>;

/// What an act did to the basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Something came in.
    Added,
    /// Something went out.
    Removed,
}

/// What an act that is still open seems to have done to the basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenChange {
    /// Something came in.
    Added,
    /// Something went out.
    Removed,
    /// Nobody can say.
    Unknown,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecidedBy {
    /// The cart itself.
    Edge,
    /// The cloud's verdict.
    Cloud,
    /// Staff, by `basket/adjust`.
    Staff,
    /// A scanner, by `basket/adjust`.
    Scanner,
}
