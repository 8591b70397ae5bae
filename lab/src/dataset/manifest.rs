//! `dataset.json`: what a data set of ours is. Written last; a directory without it is none.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{Error, classes::Class, draft::Draft, survey::Summary};
use crate::recording::Split;

pub(super) const FILE: &str = "dataset.json";
const FORMAT: u32 = 1;

/// In which form a data set is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Pictures and COCO's JSON of boxes
    Coco,
    /// Pictures and a text file of boxes for each, with data.yaml
    Yolo,
    /// Rows of features of each track, for a temporal classifier
    Windows,
    /// Pictures of each episode and what happened, as a conversation for a vision-language model
    Chat,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Coco => "coco",
            Self::Yolo => "yolo",
            Self::Windows => "windows",
            Self::Chat => "chat",
        }
    }
}

/// What a split holds: how many of what.
pub(super) type Counts = BTreeMap<String, u64>;

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) made_by: String,
    pub(super) kind: Kind,
    pub(super) classes: Vec<Class>,
    /// What was asked for, as the command line names it.
    pub(super) options: BTreeMap<String, serde_json::Value>,
    /// By split.
    pub(super) counts: BTreeMap<Split, Counts>,
    pub(super) sessions: Vec<Summary>,
}

impl Manifest {
    pub(super) fn new(
        kind: Kind,
        classes: Vec<Class>,
        options: BTreeMap<String, serde_json::Value>,
        counts: BTreeMap<Split, Counts>,
        sessions: Vec<Summary>,
    ) -> Self {
        let made_by = concat!("cartlab ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { format: FORMAT, made_by, kind, classes, options, counts, sessions }
    }

    pub(super) fn read(directory: &Path) -> Result<Self, Error> {
        let wrong = |what: String| Error::NotMade { directory: directory.to_owned(), what };
        let text = fs::read(directory.join(FILE))
            .map_err(|e| wrong(format!("it is no data set: its {FILE} cannot be read ({e})")))?;
        let read: Self = serde_json::from_slice(&text).map_err(|e| wrong(format!("{FILE}: {e}")))?;
        if read.format != FORMAT {
            return Err(wrong(format!("{FILE}: format {} is not understood, only {FORMAT}", read.format)));
        }
        Ok(read)
    }

    pub(super) fn write(&self, draft: &Draft) -> Result<(), Error> {
        let mut file = draft.file(FILE)?;
        file.json(self)?;
        file.write(b"\n")?;
        file.close().map(drop)
    }
}
