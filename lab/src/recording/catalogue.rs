//! `catalogue.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Fault, RecordingError};

/// What could be sold, in the order that the classes of a detector take.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Catalogue {
    items: Vec<Item>,
    /// Of the first item with an id.
    places: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) shape: String,
    pub(crate) size_mm: [f64; 3],
    /// The item that it is easily taken for.
    #[serde(default)]
    pub(crate) twin_of: Option<String>,
}

impl Catalogue {
    pub(crate) fn new(items: Vec<Item>) -> Self {
        let mut places = BTreeMap::new();
        for (place, item) in items.iter().enumerate() {
            places.entry(item.id.clone()).or_insert(place);
        }
        Self { items, places }
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The item's place in the catalogue.
    pub(crate) fn index(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The items that the item at this place is easily taken for: its twin, that twin's other twins, and its own.
    pub(crate) fn twins(&self, index: usize) -> Vec<usize> {
        let root = |i: usize| self.items[i].twin_of.as_deref().and_then(|id| self.index(id)).unwrap_or(i);
        let family = root(index);
        (0..self.items.len()).filter(|i| *i != index && root(*i) == family).collect()
    }
}

pub(super) fn read(file: &Path) -> Result<Catalogue, RecordingError> {
    #[derive(Deserialize)]
    struct CatalogueFile {
        items: Vec<Item>,
    }
    let text =
        fs::read(file).map_err(|reason| RecordingError::Unreadable { path: file.to_owned(), reason })?;
    let read: CatalogueFile =
        serde_json::from_slice(&text).map_err(|e| Fault::at(file, e.line(), Fault::json(&e)))?;
    Ok(Catalogue::new(read.items))
}

pub(super) fn faults(catalogue: &Catalogue, file: &Path) -> Vec<Fault> {
    let mut wrong = Vec::new();
    if catalogue.items.is_empty() {
        wrong.push("it holds no item".to_owned());
    }
    let (mut ids, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for item in &catalogue.items {
        let Item { id, label, size_mm, twin_of, .. } = item;
        if id.is_empty() || label.is_empty() {
            wrong.push(format!("an item has no id or no label ({id:?}, {label:?})"));
        }
        if !ids.insert(id) {
            wrong.push(format!("the id {id} belongs to two items"));
        }
        // Class lists name classes by their labels.
        if !labels.insert(label) {
            wrong.push(format!("the label {label:?} belongs to two items"));
        }
        if size_mm.iter().any(|side| !side.is_finite() || *side <= 0.0) {
            wrong.push(format!("item {id} measures {size_mm:?} mm"));
        }
        match twin_of {
            Some(twin) if twin == id => wrong.push(format!("item {id} is its own twin")),
            Some(twin) if catalogue.index(twin).is_none() => {
                wrong.push(format!("item {id} is the twin of {twin}, which the catalogue does not have"));
            }
            _ => {}
        }
    }
    wrong.into_iter().map(|what| Fault::of(file, what)).collect()
}
