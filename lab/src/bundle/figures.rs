//! Figures that were measured elsewhere, for the bundle's manifest.

use std::{fs, path::Path};

use super::Error;

/// The table in a TOML or JSON file.
pub(super) fn read(file: &Path) -> Result<toml::Table, Error> {
    let wrong = |reason: String| Error::Figures { file: file.to_owned(), reason };
    let bytes = fs::read(file).map_err(|reason| Error::Unreadable {
        file: file.to_owned(),
        what: "figures",
        reason,
    })?;
    match file.extension().and_then(|extension| extension.to_str()) {
        // What JSON holds and TOML does not, null and numbers past 64 bits, is refused on the way.
        Some("json") => serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string())),
        Some("toml") => toml::from_slice(&bytes).map_err(|e| wrong(e.to_string().trim_end().to_owned())),
        _ => Err(wrong("its name ends neither in .toml nor in .json".to_owned())),
    }
}
