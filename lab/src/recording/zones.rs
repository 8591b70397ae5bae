//! `zones.toml`: the file that `cartvisiond replay --zones` takes.

use std::{collections::BTreeMap, fs, path::Path};

use cartvision_core::{Point, Zone};
use cartvision_wire::CameraName;
use serde::Deserialize;

use super::{Camera, Fault, RecordingError};

#[derive(Deserialize)]
struct ZonesFile {
    zones: BTreeMap<CameraName, Vec<[f32; 2]>>,
}

/// One zone for each camera; the whole picture for one that the file does not name.
pub(super) fn read(file: &Path, cameras: &[Camera]) -> Result<Vec<Zone>, RecordingError> {
    let text = fs::read_to_string(file)
        .map_err(|reason| RecordingError::Unreadable { path: file.to_owned(), reason })?;
    let read: ZonesFile = toml::from_str(&text).map_err(|e| {
        let line = e.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Fault { file: file.to_owned(), line, what: e.message().to_owned() }
    })?;
    let wrong = |what: String| RecordingError::from(Fault::of(file, what));
    if let Some(stranger) = read.zones.keys().find(|name| !cameras.iter().any(|camera| camera.name == **name))
    {
        return Err(wrong(format!("session.json has no camera {}", stranger.as_str())));
    }
    let zone = |camera: &Camera| match read.zones.get(&camera.name) {
        None => Ok(Zone::whole()),
        Some(corners) => {
            let corners: Vec<_> = corners.iter().map(|[x, y]| Point { x: *x, y: *y }).collect();
            Zone::new(&corners).map_err(|e| wrong(format!("zone of camera {}: {e}", camera.name.as_str())))
        }
    };
    cameras.iter().map(zone).collect()
}
