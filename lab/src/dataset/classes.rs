//! The classes of a data set: the catalogue's items in its order, then hands, then things that are not in it.

use serde::{Deserialize, Serialize};

use crate::recording::{Catalogue, Thing};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Item,
    Hand,
    Unknown,
}

/// A class: its index is its place in the list.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Class {
    pub(super) label: String,
    /// The catalogue's.
    pub(super) id: Option<String>,
    pub(super) role: Role,
}

/// The classes of a catalogue.
pub(super) fn of(catalogue: &Catalogue) -> Vec<Class> {
    let item = |item: &crate::recording::Item| Class {
        label: item.label.clone(),
        id: Some(item.id.clone()),
        role: Role::Item,
    };
    let other = |label: &str, role| Class { label: label.to_owned(), id: None, role };
    let others = [other("hand", Role::Hand), other("unknown", Role::Unknown)];
    catalogue.items().iter().map(item).chain(others).collect()
}

/// The index of a thing's class, among `items` items.
pub(super) fn index(thing: Thing, items: usize) -> usize {
    match thing {
        Thing::Item(place) => place,
        Thing::Hand => items,
        Thing::Unknown => items + 1,
    }
}
