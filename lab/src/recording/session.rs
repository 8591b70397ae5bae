//! `session.json`.

use std::{collections::BTreeSet, fmt, fs, path::Path};

use cartvision_engines::bundle::Digest;
use cartvision_wire::CameraName;
use serde::{Deserialize, Serialize};

use super::{Catalogue, Fault, RecordingError};

/// The version of the format that is read.
const FORMAT: u32 = 1;

/// The largest picture's longer side, pixels.
const MAX_SIDE: u32 = 8192;

/// How far a rotation's rows may be from orthonormal: what six decimals leave.
const ROTATION_SLACK: f64 = 1e-3;

/// What a session is.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) generator: String,
    /// The seed of the scene.
    pub(crate) seed: u64,
    pub(crate) difficulty: Difficulty,
    pub(crate) style: String,
    /// The instance of the style: one shopper's way of moving.
    pub(crate) shopper: String,
    pub(crate) light: String,
    pub(crate) split: Option<Split>,
    /// Seconds.
    pub(crate) duration: f64,
    pub(crate) fps: f64,
    /// Pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) cameras: Vec<Camera>,
    pub(crate) instances: Vec<Instance>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Difficulty {
    Easy,
    Normal,
    Hard,
}

/// What a session may be used for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Split {
    Train,
    Val,
    Test,
}

impl Split {
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Camera {
    pub(crate) name: CameraName,
    pub(crate) file: String,
    pub(crate) frames: u64,
    /// Of the raw RGB frames, before they were encoded.
    pub(crate) frames_sha256: Digest,
    pub(crate) calibration: Calibration,
}

/// Where the camera is and how it sees.
#[derive(Debug, Deserialize)]
pub(crate) struct Calibration {
    /// Focal lengths and centre, pixels.
    pub(crate) fx: f64,
    pub(crate) fy: f64,
    pub(crate) cx: f64,
    pub(crate) cy: f64,
    /// Radial distortion.
    pub(crate) k1: f64,
    pub(crate) k2: f64,
    /// World to camera, row by row.
    pub(crate) rotation: [f64; 9],
    /// Metres, in the world.
    pub(crate) position: [f64; 3],
}

/// A thing that appears in the session.
#[derive(Debug, Deserialize)]
pub(crate) struct Instance {
    pub(crate) track: u32,
    /// `None`: it is not in the catalogue.
    pub(crate) id: Option<String>,
    pub(crate) label: String,
    /// Which of its looks it has.
    pub(crate) variant: u32,
}

/// Reads a session.json of the version that is understood.
pub(super) fn read(file: &Path) -> Result<Session, RecordingError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let text =
        fs::read(file).map_err(|reason| RecordingError::Unreadable { path: file.to_owned(), reason })?;
    let wrong = |e: serde_json::Error| Fault::at(file, e.line(), Fault::json(&e));
    let version: Version = serde_json::from_slice(&text).map_err(wrong)?;
    if version.format != FORMAT {
        let what =
            format!("format {} is not understood, only {FORMAT}: use a matching cartlab", version.format);
        return Err(Fault::of(file, what).into());
    }
    Ok(serde_json::from_slice(&text).map_err(wrong)?)
}

/// What is wrong with a session by itself.
pub(super) fn faults(session: &Session, file: &Path) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let Session { duration, fps, width, height, cameras, .. } = session;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if session.name.is_empty() || session.name.starts_with('.') || !session.name.chars().all(plain) {
        let what = "use letters, digits, '.', '_' and '-', and no '.' in front";
        wrong.push(format!("{:?} is no name that files could have: {what}", session.name));
    }
    if !duration.is_finite() || *duration <= 0.0 {
        wrong.push(format!("a duration of {duration} s is none"));
    }
    if !fps.is_finite() || *fps <= 0.0 {
        wrong.push(format!("{fps} frames a second is no rate"));
    }
    // Every picture is held in memory once.
    if [width, height].into_iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
        wrong.push(format!(
            "pictures of {width}x{height} pixels are none, or larger than {MAX_SIDE} on a side"
        ));
    }
    if cameras.is_empty() {
        wrong.push("it names no camera".to_owned());
    }
    let mut names = BTreeSet::new();
    let mut files = BTreeSet::new();
    for camera in cameras {
        let name = camera.name.as_str();
        if !names.insert(name) {
            wrong.push(format!("camera {name} is named twice"));
        }
        if !files.insert(&camera.file) {
            wrong.push(format!("camera {name}: another camera has the file {} too", camera.file));
        }
        // A recording that was handed on must not make us read elsewhere.
        if Path::new(&camera.file).file_name().is_none_or(|plain| *plain != *camera.file) {
            wrong.push(format!("camera {name}: {:?} is no name of a file beside session.json", camera.file));
        }
        if camera.frames == 0 {
            wrong.push(format!("camera {name} has no frame"));
        }
        // Rounding, and a recorder that stops one frame early or late.
        let expected = duration * fps;
        if (camera.frames as f64 - expected).abs() > 2.0 {
            wrong.push(format!(
                "camera {name}: {} frames are not {duration} s at {fps} frames a second ({expected:.0})",
                camera.frames
            ));
        }
        wrong.extend(calibration_fault(&camera.calibration).map(|what| format!("camera {name}: {what}")));
    }
    wrong.into_iter().map(|what| Fault::of(file, what)).collect()
}

fn calibration_fault(calibration: &Calibration) -> Option<String> {
    let Calibration { fx, fy, cx, cy, k1, k2, rotation, position } = calibration;
    let numbers = [fx, fy, cx, cy, k1, k2].into_iter().chain(rotation).chain(position);
    if numbers.into_iter().any(|number| !number.is_finite()) {
        return Some("the calibration holds something that is no number".to_owned());
    }
    if *fx <= 0.0 || *fy <= 0.0 {
        return Some(format!("focal lengths of {fx} and {fy} pixels are none"));
    }
    let rows = rotation.as_chunks::<3>().0;
    let product = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let unit = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 };
    let orthonormal =
        (0..3).all(|i| (0..3).all(|j| (product(&rows[i], &rows[j]) - unit(i, j)).abs() <= ROTATION_SLACK));
    (!orthonormal).then(|| "the calibration's rotation is none: its rows are not orthonormal".to_owned())
}

/// What is wrong with the things that appear.
pub(super) fn instance_faults(session: &Session, catalogue: &Catalogue) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut tracks = BTreeSet::new();
    for Instance { track, id, label, .. } in &session.instances {
        if !tracks.insert(track) {
            wrong.push(format!("track {track} is in instances twice"));
        }
        if let Some(id) = id
            && catalogue.index(id).is_none()
        {
            wrong
                .push(format!("track {track} ({label}) is the item {id}, which the catalogue does not have"));
        }
    }
    wrong
}
