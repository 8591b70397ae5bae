//! COCO's form: `images/<split>/`, `annotations/instances_<split>.json`, and a `data.yaml` for trainers that ask for one.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Error,
    classes::{Class, Role},
    draft::Output,
    export::Job,
    labels::Label,
    made::{Entry, Faults},
    manifest::Counts,
    pictures::{self, Keeper},
    yolo,
};
use crate::recording::Split;

#[derive(Serialize, Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Serialize, Deserialize)]
struct Annotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    /// Left, top, width, height; pixels.
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    /// Boxes are all there is; loaders that look for outlines find none.
    #[serde(default)]
    segmentation: [(); 0],
    /// Ours: how much of the thing is visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    visibility: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Category {
    id: u64,
    name: String,
    #[serde(default)]
    supercategory: String,
    /// Ours: the catalogue's id.
    #[serde(default)]
    catalogue_id: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

/// The file of a split, below the data set's directory.
pub(super) fn document(split: Split) -> String {
    format!("annotations/instances_{split}.json")
}

pub(super) fn export(job: &Job<'_>, options: &pictures::Options) -> Result<BTreeMap<Split, Counts>, Error> {
    job.draft.folder("annotations")?;
    let mut keepers = Keepers(BTreeMap::new());
    for split in job.splits() {
        keepers.0.insert(split, Writer::begin(job, split)?);
    }
    let counts = pictures::export(job, options, &mut keepers)?;
    for writer in keepers.0.into_values() {
        writer.finish()?;
    }
    let annotations = job.splits().into_iter().map(|split| (split, document(split)));
    let mut file = job.draft.file("data.yaml")?;
    file.write(yolo::data_yaml(job.classes, &job.splits(), annotations).as_bytes())?;
    file.close()?;
    Ok(counts)
}

struct Keepers(BTreeMap<Split, Writer>);

impl Keeper for Keepers {
    fn keep(&mut self, split: Split, name: &str, size: (u32, u32), labels: &[Label]) -> Result<(), Error> {
        match self.0.get_mut(&split) {
            Some(writer) => writer.keep(name, size, labels),
            None => Ok(()),
        }
    }
}

/// One split's document. Its two long lists grow at the same time, so the second one waits in a file of its own.
struct Writer {
    images: Output,
    annotations: Output,
    image: u64,
    annotation: u64,
}

impl Writer {
    fn begin(job: &Job<'_>, split: Split) -> Result<Self, Error> {
        let mut images = job.draft.file(&document(split))?;
        let annotations = job.draft.file(&format!("annotations/{split}.rest"))?;
        let category = |(index, class): (usize, &Class)| Category {
            id: category(index),
            name: class.label.clone(),
            supercategory: match class.role {
                Role::Item => "item".to_owned(),
                Role::Hand => "hand".to_owned(),
                Role::Unknown => "unknown".to_owned(),
            },
            catalogue_id: class.id.clone(),
        };
        let categories: Vec<_> = job.classes.iter().enumerate().map(category).collect();
        images.write(
            b"{\"info\":{\"description\":\"recorded cart sessions, made by cartlab\"},\"licenses\":[],\n",
        )?;
        images.write(b"\"categories\":")?;
        images.json(&categories)?;
        images.write(b",\n\"images\":[")?;
        Ok(Self { images, annotations, image: 0, annotation: 0 })
    }

    fn keep(&mut self, name: &str, (width, height): (u32, u32), labels: &[Label]) -> Result<(), Error> {
        self.images.write(if self.image == 0 { b"\n" } else { b",\n" })?;
        // Ids begin with 1: COCO's own tools take 0 for "none".
        self.image += 1;
        self.images.json(&Image { id: self.image, file_name: name.to_owned(), width, height })?;
        for label in labels {
            self.annotations.write(if self.annotation == 0 { b"\n" } else { b",\n" })?;
            self.annotation += 1;
            let bbox = [label.bounds[0], label.bounds[1], label.width(), label.height()].map(hundredths);
            self.annotations.json(&Annotation {
                id: self.annotation,
                image_id: self.image,
                category_id: category(label.class),
                bbox,
                area: hundredths(bbox[2] * bbox[3]),
                iscrowd: 0,
                segmentation: [],
                visibility: label.visibility.map(hundredths),
            })?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Error> {
        self.images.write(b"\n],\n\"annotations\":[")?;
        let rest = self.annotations.close()?;
        self.images.append(&rest)?;
        fs::remove_file(&rest).map_err(Error::write(&rest, "remove it"))?;
        self.images.write(b"\n]}\n")?;
        self.images.close().map(drop)
    }
}

/// A class's category: from 1, as COCO counts.
fn category(class: usize) -> u64 {
    class as u64 + 1
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Reads a split back. One document is in memory at a time, some 100 bytes for each box.
pub(super) fn read(directory: &Path, split: Split, classes: &[Class], faults: &mut Faults) -> Vec<Entry> {
    let path = directory.join(document(split));
    let document: Document = match fs::read(&path).map(|text| serde_json::from_slice(&text)) {
        Ok(Ok(document)) => document,
        Ok(Err(e)) => {
            faults.at(&path, e.line(), e.to_string());
            return vec![];
        }
        Err(e) => {
            faults.of(&path, format!("cannot read it: {e}"));
            return vec![];
        }
    };
    let named = document.categories.iter().map(|c| (c.id, c.name.as_str()));
    if !named.eq(classes.iter().enumerate().map(|(i, class)| (category(i), class.label.as_str()))) {
        faults.of(&path, "its categories are not the data set's classes".to_owned());
    }
    let mut entries = Vec::with_capacity(document.images.len());
    let mut places = BTreeMap::new();
    for image in document.images {
        if places.insert(image.id, entries.len()).is_some() {
            faults.of(&path, format!("the image id {} is there twice", image.id));
        }
        entries.push(Entry {
            image: Path::new("images").join(split.name()).join(image.file_name),
            size: Some((image.width, image.height)),
            labels: vec![],
        });
    }
    let mut ids = std::collections::BTreeSet::new();
    for annotation in document.annotations {
        let Annotation { id, image_id, category_id, bbox: [x, y, width, height], area, visibility, .. } =
            annotation;
        if !ids.insert(id) {
            faults.of(&path, format!("the annotation id {id} is there twice"));
        }
        if (area - width * height).abs() > 0.02 + 0.001 * area.abs() {
            faults.of(&path, format!("annotation {id}: its area is {area}, its box's {}", width * height));
        }
        let class = usize::try_from(category_id).ok().and_then(|id| id.checked_sub(1)).unwrap_or(usize::MAX);
        let label = Label { class, bounds: [x, y, x + width, y + height], visibility };
        match places.get(&image_id).and_then(|place| entries.get_mut(*place)) {
            Some(entry) => entry.labels.push(label),
            None => faults.of(&path, format!("annotation {id} is of image {image_id}, which is not there")),
        }
    }
    entries
}
