//! Anybody's catalogue: a CSV table and pack shots.

use std::path::{Path, PathBuf};

use cartvision_sim::{Catalogue, Picture, Product, Shape, Vec3};
use serde::Deserialize;

use super::Error;

const TABLE: &str = "catalogue.csv";

#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    label: String,
    file: PathBuf,
    shape: Option<String>,
    /// Depth x width x height.
    size_mm: Option<String>,
}

/// Reads `catalogue.csv` in this folder, and the pictures it names.
pub(super) fn read(place: &Path) -> Result<Catalogue, Error> {
    let file = place.join(TABLE);
    let text = std::fs::read(&file).map_err(Error::file(&file))?;
    let wrong = |what: String| Error::Table { file: file.clone(), what };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&text[..]);
    let mut products = Vec::new();
    for line in reader.deserialize::<Line>() {
        let line = line.map_err(|e| wrong(e.to_string()))?;
        let name = &line.id;
        if name.is_empty() || line.label.is_empty() {
            return Err(wrong(format!("product {}: id and label must not be empty", products.len() + 1)));
        }
        let picture = picture(&place.join(&line.file))?;
        let shape = match line.shape.as_deref().filter(|s| !s.is_empty()) {
            None => picture.likely_shape(),
            Some(shape) => Shape::of_name(shape).ok_or_else(|| {
                let known: Vec<_> = Shape::ALL.iter().map(|s| s.name()).collect();
                wrong(format!("product {name}: no shape is called {shape}; there are {}", known.join(", ")))
            })?,
        };
        let size = match line.size_mm.as_deref().filter(|s| !s.is_empty()) {
            None => likely_size(shape, picture.aspect()),
            Some(text) => size(text).ok_or_else(|| {
                wrong(format!(
                    "product {name}: {text} is no size; write depth x width x height, like 55x160x225"
                ))
            })?,
        };
        products.push(Product::pictured(line.id, line.label, shape, size, picture));
    }
    Catalogue::new(products).map_err(|reason| Error::Catalogue { place: file, reason })
}

fn picture(path: &Path) -> Result<Picture, Error> {
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    let wrong = |what: String| Error::Picture { path: path.to_owned(), what };
    let image = image::load_from_memory(&bytes).map_err(|e| wrong(e.to_string()))?.into_rgba8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Picture::cut_out(width, height, &image)
        .ok_or_else(|| wrong("nothing stands out from its background".to_owned()))
}

/// Millimetres to metres.
fn size(text: &str) -> Option<Vec3> {
    let mut sides = text.split(['x', '×']).map(|side| side.trim().parse::<f32>().ok());
    let (depth, width, height) = (sides.next()??, sides.next()??, sides.next()??);
    (sides.next().is_none() && [depth, width, height].iter().all(|side| side.is_finite()))
        .then(|| Vec3::new(depth, width, height) / 1000.0)
}

/// What such a thing usually measures, where the table does not tell, metres.
fn likely_size(shape: Shape, aspect: f32) -> Vec3 {
    let tall = match shape {
        Shape::Box => 0.19,
        Shape::Bottle => 0.23,
        Shape::Can => 0.115,
        Shape::Pouch => 0.20,
        Shape::Jar => 0.12,
        Shape::Produce => 0.085,
    };
    // A long fruit is long, not thin.
    let (width, height) = match shape {
        Shape::Produce if aspect > 1.0 => (tall * aspect, tall),
        Shape::Produce => (tall, tall / aspect.max(0.3)),
        _ => (tall * aspect, tall),
    };
    let depth = match shape {
        Shape::Box => width * 0.65,
        Shape::Pouch => width * 0.4,
        Shape::Produce => width.min(height),
        _ => width,
    };
    Vec3::new(depth, width, height).clamp(Vec3::splat(0.02), Vec3::splat(0.26))
}
