//! The zones file of `replay`, and zones in the configuration.

use std::collections::BTreeMap;
use std::path::Path;

use cartvision_core::{Point, Zone};
use cartvision_wire::CameraName;
use serde::Deserialize;

use crate::failure::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZonesFile {
    zones: BTreeMap<CameraName, Vec<[f32; 2]>>,
}

/// A zone from its corners; none: the whole picture.
pub(crate) fn zone(camera: &CameraName, corners: &[[f32; 2]], file: &Path) -> Result<Zone, Failure> {
    if corners.is_empty() {
        return Ok(Zone::whole());
    }
    let points: Vec<Point> = corners.iter().map(|[x, y]| Point { x: *x, y: *y }).collect();
    Zone::new(&points)
        .map_err(|e| Failure::usage(format_args!("{}: zone of camera {camera}: {e}", file.display())))
}

/// One zone for each camera, from the file; the whole picture for a camera that it does not name.
pub(crate) fn read(file: &Path, cameras: &[CameraName]) -> Result<Vec<Zone>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        Failure::usage(format_args!(
            "{}: cannot read the zones: {e}; give an existing file with --zones",
            file.display()
        ))
    })?;
    let zones: ZonesFile = toml::from_str(&text).map_err(|e| {
        Failure::usage(format_args!(
            "{}: {}; write one line for each camera, like\n[zones]\nrim-left = [[0.1, 0.2], [0.9, 0.2], [0.5, 0.9]]",
            file.display(),
            e.to_string().trim_end()
        ))
    })?;
    if let Some(stranger) = zones.zones.keys().find(|name| !cameras.contains(name)) {
        let known: Vec<_> = cameras.iter().map(CameraName::as_str).collect();
        return Err(Failure::usage(format_args!(
            "{}: there is no camera {stranger}; there is {}",
            file.display(),
            known.join(", ")
        )));
    }
    cameras.iter().map(|name| zone(name, zones.zones.get(name).map_or(&[], Vec::as_slice), file)).collect()
}
