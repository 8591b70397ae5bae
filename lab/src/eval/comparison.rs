//! Another report, to compare with.

use std::path::{Path, PathBuf};

use cartvision_metric::{Difference, Outcome, compare};
use serde::{Deserialize, Serialize};

use super::Error;
use super::clip::read;
use super::report::{FORMAT, Source};

/// What is needed of another report.
#[derive(Debug, Deserialize)]
struct OtherReport {
    format: u32,
    source: Source,
    sessions: Vec<Outcome>,
}

/// Another report and where it lies.
#[derive(Debug)]
pub(super) struct Other {
    path: PathBuf,
    report: OtherReport,
}

/// This system against another one.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// The other report.
    pub(super) with: PathBuf,
    /// What that one measured.
    pub(super) source: Source,
    /// Other first, this one second.
    pub(super) figures: Vec<Difference>,
}

/// Reads another report.
pub(super) fn read_report(path: &Path) -> Result<Other, Error> {
    let wrong = |reason: String| Error::NoReport { path: path.to_owned(), reason };
    let report: OtherReport = serde_json::from_str(&read(path)?).map_err(|e| wrong(e.to_string()))?;
    if report.format != FORMAT {
        return Err(wrong(format!("its format is {}, this one's {FORMAT}", report.format)));
    }
    Ok(Other { path: path.to_owned(), report })
}

impl Other {
    /// Compares, session by session.
    pub(super) fn compare(self, with: &[Outcome]) -> Result<Comparison, Error> {
        let figures = compare(&self.report.sessions, with)
            .map_err(|reason| Error::Pairing { path: self.path.clone(), reason })?;
        Ok(Comparison { with: self.path, source: self.report.source, figures })
    }
}
