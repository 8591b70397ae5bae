//! Data sets of ours, read back.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use cartvision_engines::bundle::Digest;
use image::{ImageFormat, RgbImage};

use super::{coco, labels::Label, manifest::Kind, manifest::Manifest, yolo};
use crate::recording::{Fault, Split};

/// A picture and its labels.
#[derive(Debug)]
pub(super) struct Entry {
    /// Below the data set's directory.
    pub(super) image: PathBuf,
    /// As the labels say; `None` where they do not.
    pub(super) size: Option<(u32, u32)>,
    pub(super) labels: Vec<Label>,
}

/// Faults as they are found: the first ones, and how many there are.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) first: Vec<Fault>,
    pub(super) count: usize,
    most: usize,
}

impl Faults {
    pub(super) fn keeping(most: usize) -> Self {
        Self { first: vec![], count: 0, most }
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.count += 1;
        if self.first.len() < self.most {
            self.first.push(fault);
        }
    }

    pub(super) fn of(&mut self, file: &Path, what: String) {
        self.add(Fault::of(file, what));
    }

    pub(super) fn at(&mut self, file: &Path, line: usize, what: String) {
        self.add(Fault::at(file, line, what));
    }
}

/// The pictures of a split with their labels; only of kinds that have boxes.
pub(super) fn entries(
    manifest: &Manifest,
    directory: &Path,
    split: Split,
    faults: &mut Faults,
) -> Vec<Entry> {
    match manifest.kind {
        Kind::Coco => coco::read(directory, split, &manifest.classes, faults),
        Kind::Yolo => yolo::read(directory, split, faults),
        Kind::Windows | Kind::Chat => vec![],
    }
}

/// The names in a folder, in order.
pub(super) fn files(folder: &Path, faults: &mut Faults) -> BTreeSet<PathBuf> {
    let names = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| PathBuf::from(entry.file_name()))).collect()
    });
    names.unwrap_or_else(|e| {
        faults.of(folder, format!("cannot read it: {e}"));
        BTreeSet::new()
    })
}

/// The pictures of all splits, as they are come upon: whether each can be read, and whether two splits have the same.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    /// About 100 bytes for each picture.
    content: HashMap<Digest, (Split, PathBuf)>,
    found: BTreeMap<Split, BTreeSet<PathBuf>>,
}

impl Pictures {
    /// Looks at a picture that something refers to; gives its size when it can be read.
    pub(super) fn look(
        &mut self,
        directory: &Path,
        split: Split,
        image: &Path,
        faults: &mut Faults,
    ) -> Option<(u32, u32)> {
        let path = directory.join(image);
        let new = self.found.entry(split).or_default().insert(image.to_owned());
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                faults.of(&path, "labels refer to it, but the picture is missing".to_owned());
                return None;
            }
            Err(e) => {
                faults.of(&path, format!("the picture cannot be read: {e}"));
                return None;
            }
        };
        if new {
            match self.content.entry(Digest::of(&bytes)) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert((split, image.to_owned()));
                }
                std::collections::hash_map::Entry::Occupied(place) if place.get().0 != split => {
                    let (other, same) = place.get();
                    faults.of(&path, format!("{split} and {other} share this picture: {}", same.display()));
                }
                std::collections::hash_map::Entry::Occupied(_) => {}
            }
        }
        match decode(&bytes) {
            Ok(picture) => Some(picture.dimensions()),
            Err(what) => {
                faults.of(&path, format!("the picture cannot be decoded: {what}"));
                None
            }
        }
    }

    /// Pictures that nothing refers to.
    pub(super) fn unlabelled(&self, directory: &Path, splits: &[Split], faults: &mut Faults) {
        for split in splits {
            let folder = Path::new("images").join(split.name());
            for name in files(&directory.join(&folder), faults) {
                let image = folder.join(name);
                if !self.found.get(split).is_some_and(|found| found.contains(&image)) {
                    faults.of(&directory.join(image), "nobody labels this picture".to_owned());
                }
            }
        }
    }
}

/// Decodes a JPEG to its last line.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    // Decoders fill up what is missing with grey and say nothing.
    if !bytes.ends_with(&[0xff, 0xd9]) {
        return Err("it is cut off, or no JPEG".to_owned());
    }
    match image::load_from_memory_with_format(bytes, ImageFormat::Jpeg) {
        Ok(picture) => Ok(picture.into_rgb8()),
        Err(e) => Err(e.to_string()),
    }
}
