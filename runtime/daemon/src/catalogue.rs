//! From the detector's classes to the catalogue's items.

use std::collections::HashMap;

use cartvision_core::{ClassId, Detection, Role};
use cartvision_engines::Manifest;
use cartvision_wire::item::Label;
use cartvision_wire::{CatalogueId, Item, NameError};

/// What the bundle's classes are called outside.
#[derive(Debug)]
pub(crate) struct Catalogue {
    items: Vec<Item>,
    /// For each class the first class with the same catalogue id: a product may have several looks.
    same_as: Vec<ClassId>,
    by_id: HashMap<CatalogueId, ClassId>,
}

impl Catalogue {
    /// The catalogue of a bundle.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self, NameError> {
        let mut catalogue = Self { items: Vec::new(), same_as: Vec::new(), by_id: HashMap::new() };
        for (index, class) in manifest.classes.iter().enumerate() {
            let label = Label::new(&class.label);
            let own = ClassId(index as u16);
            if class.role != Role::Item {
                catalogue.items.push(Item::Unknown { label });
                catalogue.same_as.push(own);
                continue;
            }
            let id = CatalogueId::new(class.catalogue_id())?;
            catalogue.same_as.push(*catalogue.by_id.entry(id.clone()).or_insert(own));
            catalogue.items.push(Item::Catalogue { id, label });
        }
        Ok(catalogue)
    }

    /// The item that a class stands for.
    pub(crate) fn item(&self, class: ClassId) -> Item {
        let unnamed = || Item::Unknown { label: Label::new("unknown") };
        self.items.get(usize::from(class.0)).cloned().unwrap_or_else(unnamed)
    }

    /// The class that stands for a catalogue id.
    pub(crate) fn class(&self, id: &CatalogueId) -> Option<ClassId> {
        self.by_id.get(id).copied()
    }

    /// The class that stands for an item.
    pub(crate) fn class_of(&self, item: &Item) -> Option<ClassId> {
        match item {
            Item::Catalogue { id, .. } => self.class(id),
            Item::Unknown { .. } => {
                let at = self.items.iter().position(|known| known == item)?;
                u16::try_from(at).ok().map(ClassId)
            }
        }
    }

    /// Makes several looks of one product one class.
    pub(crate) fn unify(&self, detections: &mut [Detection]) {
        for d in detections {
            if let Some(same) = self.same_as.get(usize::from(d.class.0)) {
                d.class = *same;
            }
        }
    }
}
