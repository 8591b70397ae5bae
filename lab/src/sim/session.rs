//! One session: rendered, encoded, written beside its name and renamed into place when it is whole.

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use cartvision_sim::{Camera, Catalogue, ChangeKind, Order, Seen, Simulation, Split, Truth, UNKNOWN, Who};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Error,
    crew::{Crew, Trouble},
    video::Video,
};
use crate::recording::Recording;

/// What was made of an order.
pub(super) struct Done {
    pub(super) truth: Truth,
    pub(super) frames: u64,
    /// It was there already.
    pub(super) kept: bool,
}

/// What one camera took.
struct Taken {
    sha256: String,
    /// Its lines of boxes.jsonl.
    boxes: Vec<u8>,
}

/// Makes the session, or keeps it where it is there already.
pub(super) fn make(
    order: &Order,
    catalogue: &Arc<Catalogue>,
    out: &Path,
    crew: &Crew,
) -> Result<Done, Error> {
    let name = format!("{}-{:06}", order.difficulty.name(), order.seed);
    let directory = out.join(&name);
    let simulation = Arc::new(Simulation::new(*order, catalogue));
    let about = about(order, catalogue, &simulation, &name);
    if directory.exists() {
        same(&directory, &about, &catalogue_json(catalogue))?;
        return Ok(Done { truth: simulation.truth().clone(), frames: 0, kept: true });
    }
    let part = Part::new(out.join(format!(".{name}.part")))?;
    let taken = take(&simulation, catalogue, order, &part.path, crew)?;
    write(&part.path, about, catalogue, &simulation, order, &taken)?;
    // What cannot be read back is not handed on.
    let recording = Recording::open(&part.path)?;
    for view in recording.boxes()? {
        if let Err(faults) = view {
            return Err(faults.into_iter().next().map_or_else(
                || Error::Video { file: part.path.clone(), what: "nothing was written".to_owned() },
                |fault| Error::Unsound(fault.into()),
            ));
        }
    }
    part.publish(&directory)?;
    let frames = u64::from(simulation.frames()) * order.cameras as u64;
    Ok(Done { truth: simulation.truth().clone(), frames, kept: false })
}

/// A directory in the making, removed unless it was published. Unlike a data set's draft it takes the place of one
/// that a killed run left: a session is made again by its seed.
struct Part {
    path: PathBuf,
}

impl Part {
    fn new(path: PathBuf) -> Result<Self, Error> {
        if path.exists() {
            fs::remove_dir_all(&path).map_err(Error::file(&path))?;
        }
        fs::create_dir(&path).map_err(Error::file(&path))?;
        Ok(Self { path })
    }

    fn publish(self, place: &Path) -> Result<(), Error> {
        fs::rename(&self.path, place).map_err(Error::file(place))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Published, nothing is there. Half made, whatever stays is hidden by its name.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Renders and encodes all cameras, as many at once as the crew has threads.
fn take(
    simulation: &Arc<Simulation>,
    catalogue: &Arc<Catalogue>,
    order: &Order,
    directory: &Path,
    crew: &Crew,
) -> Result<Vec<Taken>, Error> {
    let (simulation, catalogue) = (Arc::clone(simulation), Arc::clone(catalogue));
    let (order, directory) = (*order, directory.to_owned());
    let work = move |camera| shoot(&simulation, &catalogue, &order, &directory, camera);
    crew.each(order.cameras, work).map_err(|trouble| match trouble {
        Trouble::Failed(error) => error,
        Trouble::Panicked => Error::Panic,
    })
}

/// One camera's video and its lines of boxes.
fn shoot(
    simulation: &Simulation,
    catalogue: &Catalogue,
    order: &Order,
    directory: &Path,
    number: usize,
) -> Result<Taken, Error> {
    let camera = &simulation.cameras()[number];
    let mut video = Video::create(&directory.join(file(camera)), order)?;
    let mut studio = simulation.studio(catalogue, number);
    let labels = Labels::new(simulation, catalogue);
    let mut hash = Sha256::new();
    let mut boxes = Vec::new();
    for frame in 0..simulation.frames() {
        let (picture, seen) = studio.shoot(frame);
        hash.update(picture);
        let line = json!({
            "camera": camera.name, "frame": frame, "time": seconds(frame as f32 / order.fps as f32),
            "boxes": seen.iter().map(|s| labels.seen(s)).collect::<Vec<_>>(),
        });
        boxes.extend_from_slice(line.to_string().as_bytes());
        boxes.push(b'\n');
        video.push(picture, frame)?;
    }
    video.finish()?;
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Taken { sha256, boxes })
}

fn file(camera: &Camera) -> String {
    format!("{}.mp4", camera.name)
}

/// Seconds, to the millisecond.
fn seconds(t: f32) -> f64 {
    (f64::from(t) * 1e3).round() / 1e3
}

/// Names of things, by their tracks.
struct Labels<'a> {
    /// Id and label.
    things: Vec<(Option<&'a str>, &'a str)>,
}

impl<'a> Labels<'a> {
    fn new(simulation: &Simulation, catalogue: &'a Catalogue) -> Self {
        let name = |product: Option<usize>| match product {
            Some(i) => {
                let product = &catalogue.products()[i];
                (Some(&*product.id), &*product.label)
            }
            None => (None, UNKNOWN),
        };
        Self { things: simulation.instances().map(|i| name(i.product)).collect() }
    }

    fn seen(&self, seen: &Seen) -> Value {
        let (track, role, id, label) = match seen.who {
            Who::Thing(i) => {
                let (id, label) = self.things[i];
                (i, if id.is_some() { "item" } else { "unknown" }, id, label)
            }
            // Hands have the tracks after the last thing's.
            Who::Hand(i) => (self.things.len() + i, "hand", None, "hand"),
        };
        let visibility = (f64::from(seen.visibility) * 1e3).round() / 1e3;
        json!({"track": track, "role": role, "id": id, "label": label, "box": seen.bbox, "visibility": visibility,
               "held": seen.held})
    }
}

fn write(
    directory: &Path,
    mut about: Value,
    catalogue: &Catalogue,
    simulation: &Simulation,
    order: &Order,
    taken: &[Taken],
) -> Result<(), Error> {
    let put = |name: &str, content: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, content).map_err(Error::file(&path))
    };
    put("catalogue.json", pretty(&catalogue_json(catalogue)).as_bytes())?;
    put("truth.jsonl", truth(simulation, &Labels::new(simulation, catalogue)).as_bytes())?;
    let boxes = directory.join("boxes.jsonl");
    let mut lines = BufWriter::new(fs::File::create(&boxes).map_err(Error::file(&boxes))?);
    for taken in taken {
        lines.write_all(&taken.boxes).map_err(Error::file(&boxes))?;
    }
    lines.flush().map_err(Error::file(&boxes))?;
    put("zones.toml", zones(simulation, order).as_bytes())?;
    for (camera, taken) in taken.iter().enumerate() {
        about["cameras"][camera]["frames_sha256"] = taken.sha256.clone().into();
    }
    put("session.json", pretty(&about).as_bytes())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// session.json, but for the frames' hashes.
fn about(order: &Order, catalogue: &Catalogue, simulation: &Simulation, name: &str) -> Value {
    let labels = Labels::new(simulation, catalogue);
    let cameras = simulation.cameras().iter().map(|camera| {
        let Camera { focal, centre, distortion: [k1, k2], rotation, position, .. } = camera;
        // Row by row; the matrix is kept by columns.
        let rotation = rotation.transpose().to_cols_array();
        json!({
            "name": camera.name, "file": file(camera), "frames": simulation.frames(),
            "calibration": {"fx": focal, "fy": focal, "cx": centre.x, "cy": centre.y, "k1": k1, "k2": k2,
                            "rotation": rotation, "position": position.to_array()},
        })
    });
    let instances = simulation.instances().enumerate().map(|(track, instance)| {
        let (id, label) = labels.things[track];
        json!({"track": track, "id": id, "label": label, "variant": instance.variant})
    });
    json!({
        "format": 1, "name": name, "generator": concat!("cartlab ", env!("CARGO_PKG_VERSION")), "seed": order.seed,
        "difficulty": order.difficulty.name(), "style": simulation.shopper().style.name(),
        "shopper": simulation.shopper().name(), "light": simulation.light(),
        "split": Split::of_seed(order.seed).name(), "duration": order.duration, "fps": order.fps,
        "width": order.width, "height": order.height,
        "cameras": cameras.collect::<Vec<_>>(), "instances": instances.collect::<Vec<_>>(),
    })
}

fn catalogue_json(catalogue: &Catalogue) -> Value {
    let items = catalogue.products().iter().map(|p| {
        let size = (p.size * 1000.0).to_array().map(|mm| (f64::from(mm) * 10.0).round() / 10.0);
        json!({"id": p.id, "label": p.label, "shape": p.shape.name(), "size_mm": size, "twin_of": p.twin_of})
    });
    json!({"items": items.collect::<Vec<_>>()})
}

/// truth.jsonl: changes and episodes by their start.
fn truth(simulation: &Simulation, labels: &Labels<'_>) -> String {
    let truth = simulation.truth();
    let mut lines: Vec<(f32, Value)> = Vec::new();
    for (n, episode) in truth.episodes.iter().enumerate() {
        let acts: Vec<_> = episode.acts.iter().map(|a| a.name()).collect();
        let line = json!({
            "kind": "episode", "episode": n, "start": seconds(episode.start), "end": seconds(episode.end),
            "acts": acts, "changes": episode.changes,
        });
        lines.push((episode.start, line));
    }
    for change in &truth.changes {
        let (id, label) = labels.things[change.thing];
        let kind = match change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
        };
        let line = json!({
            "kind": kind, "id": id, "label": label, "start": seconds(change.start), "end": seconds(change.end),
            "track": change.thing, "episode": change.episode,
        });
        lines.push((change.start, line));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.iter().map(|(_, line)| format!("{line}\n")).collect()
}

/// zones.toml, as `cartvisiond replay --zones` reads it.
fn zones(simulation: &Simulation, order: &Order) -> String {
    let mut text = String::from(
        "# The basket region in each camera's picture: what its inside, up to the rim, covers.\n[zones]\n",
    );
    for camera in 0..order.cameras {
        let corners: Vec<_> =
            simulation.zone(camera).iter().map(|p| format!("[{:.4}, {:.4}]", p.x, p.y)).collect();
        text += &format!("{} = [{}]\n", simulation.cameras()[camera].name, corners.join(", "));
    }
    text
}

/// Whether the session in `directory` is what would be made now.
fn same(directory: &Path, about: &Value, catalogue: &Value) -> Result<(), Error> {
    let read = |name: &str| -> Result<Value, Error> {
        let path = directory.join(name);
        let text = fs::read(&path).map_err(Error::file(&path))?;
        serde_json::from_slice(&text).map_err(|e| Error::Other {
            directory: directory.to_owned(),
            differs: format!("its {name}: {e}"),
        })
    };
    let mut there = read("session.json")?;
    if let Some(cameras) = there["cameras"].as_array_mut() {
        for camera in cameras {
            if let Some(camera) = camera.as_object_mut() {
                camera.remove("frames_sha256");
            }
        }
    }
    // As it was written: numbers go through text.
    let about: Value = serde_json::from_str(&about.to_string()).unwrap_or_default();
    let differs = match (about.as_object(), there.as_object()) {
        (Some(new), Some(old)) => new.keys().find(|key| old.get(*key) != new.get(*key)).cloned(),
        _ => Some("session.json".to_owned()),
    };
    let differs = match differs {
        None if read("catalogue.json")? != *catalogue => Some("catalogue".to_owned()),
        differs => differs,
    };
    match differs {
        None => Ok(()),
        Some(differs) => Err(Error::Other { directory: directory.to_owned(), differs }),
    }
}
