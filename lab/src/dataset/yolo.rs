//! YOLO's form: `images/<split>/`, `labels/<split>/` with one text file for each picture, and `data.yaml`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Error,
    classes::Class,
    draft::{Draft, Output},
    export::Job,
    labels::Label,
    made::{Entry, Faults},
    manifest::Counts,
    pictures::{self, Keeper},
};
use crate::recording::Split;

pub(super) fn export(job: &Job<'_>, options: &pictures::Options) -> Result<BTreeMap<Split, Counts>, Error> {
    for split in job.splits() {
        job.draft.folder(&format!("labels/{split}"))?;
    }
    let counts = pictures::export(job, options, &mut Files { draft: job.draft })?;
    let mut file = job.draft.file("data.yaml")?;
    file.write(data_yaml(job.classes, &job.splits(), []).as_bytes())?;
    file.close()?;
    // The class list as `cartlab bundle --classes` takes it.
    let mut list = job.draft.file("classes.txt")?;
    for class in job.classes {
        list.write(format!("{}\n", class.label).as_bytes())?;
    }
    list.close()?;
    Ok(counts)
}

/// `data.yaml`. Without `path`: trainers then take the file's own directory, and the set can be moved.
pub(super) fn data_yaml(
    classes: &[Class],
    splits: &[Split],
    annotations: impl IntoIterator<Item = (Split, String)>,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for split in splits {
        let _ = writeln!(text, "{split}: images/{split}");
    }
    let mut annotations = annotations.into_iter().peekable();
    if annotations.peek().is_some() {
        let _ = writeln!(text, "annotations:");
    }
    for (split, file) in annotations {
        let _ = writeln!(text, "  {split}: {file}");
    }
    let _ = writeln!(text, "nc: {}\nnames:", classes.len());
    for (index, class) in classes.iter().enumerate() {
        // A JSON string is a YAML string, whatever it holds.
        let _ = writeln!(text, "  {index}: {}", serde_json::Value::from(class.label.as_str()));
    }
    text
}

struct Files<'a> {
    draft: &'a Draft,
}

impl Keeper for Files<'_> {
    fn keep(&mut self, split: Split, name: &str, size: (u32, u32), labels: &[Label]) -> Result<(), Error> {
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        let mut text = String::new();
        for Label { class, bounds: [x0, y0, x1, y1], .. } in labels {
            let (x, y) = ((x0 + x1) / 2.0 / width, (y0 + y1) / 2.0 / height);
            let (w, h) = ((x1 - x0) / width, (y1 - y0) / height);
            let _ = writeln!(text, "{class} {x:.6} {y:.6} {w:.6} {h:.6}");
        }
        // A picture without boxes has an empty file: it was looked at, and nothing is there.
        let file = Path::new("labels").join(split.name()).join(name).with_extension("txt");
        let mut file = Output::create(self.draft.directory().join(file))?;
        file.write(text.as_bytes())?;
        file.close().map(drop)
    }
}

/// Reads a split back: one entry for each text file.
pub(super) fn read(directory: &Path, split: Split, faults: &mut Faults) -> Vec<Entry> {
    let folder = directory.join("labels").join(split.name());
    let mut entries = Vec::new();
    for file in super::made::files(&folder, faults) {
        let path = folder.join(&file);
        if path.extension().is_none_or(|extension| extension != "txt") {
            faults.of(&path, "it is no text file of labels".to_owned());
            continue;
        }
        let image: PathBuf = Path::new("images").join(split.name()).join(&file).with_extension("jpg");
        // Without its picture a share is no pixel; that the picture is missing is told elsewhere.
        let size = image::image_dimensions(directory.join(&image)).ok();
        match fs::read_to_string(&path) {
            Ok(text) => entries.push(Entry { labels: labels(&text, &path, size, faults), image, size: None }),
            Err(e) => faults.of(&path, format!("cannot read it: {e}")),
        }
    }
    entries
}

fn labels(text: &str, path: &Path, size: Option<(u32, u32)>, faults: &mut Faults) -> Vec<Label> {
    let (width, height) = size.map_or((1.0, 1.0), |(width, height)| (f64::from(width), f64::from(height)));
    let mut labels = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let parsed = match words[..] {
            [class, x, y, w, h] => {
                let number = |word: &str| word.parse::<f64>().ok();
                class.parse().ok().zip(number(x).zip(number(y)).zip(number(w).zip(number(h))))
            }
            _ => None,
        };
        match parsed {
            Some((class, ((x, y), (w, h)))) => labels.push(Label {
                class,
                bounds: [
                    (x - w / 2.0) * width,
                    (y - h / 2.0) * height,
                    (x + w / 2.0) * width,
                    (y + h / 2.0) * height,
                ],
                visibility: None,
            }),
            None => faults.at(path, number + 1, format!("{line:?} is no class and four numbers")),
        }
    }
    labels
}
