//! What goes into a replay, told by digests: ids are derived from them, and recorded inputs found by them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cartvision_engines::Bundle;
use cartvision_engines::bundle::Digest;
use cartvision_wire::CameraName;
use serde::{Deserialize, Serialize};

use crate::classifier::Kind;
use crate::cli::ReplayArgs;
use crate::failure::Failure;

/// All that decides what the detector sees: the bundle's detector, and the cameras with their recordings, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Input {
    bundle: Used,
    cameras: Vec<Used>,
}

/// Something that is used, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    name: String,
    sha256: Digest,
}

impl Input {
    /// Reads every recording once.
    pub(super) fn read(args: &ReplayArgs, bundle: &Bundle) -> Result<Self, Failure> {
        let camera = |(name, path): &(CameraName, PathBuf)| {
            Ok(Used { name: name.to_string(), sha256: content(path, "recording")? })
        };
        Ok(Self {
            bundle: Used { name: bundle.identity(), sha256: bundle.detector_digest() },
            cameras: args.cameras.iter().map(camera).collect::<Result<_, Failure>>()?,
        })
    }

    /// How many cameras there are.
    pub(super) fn cameras(&self) -> usize {
        self.cameras.len()
    }

    /// Stands for all of it.
    pub(super) fn digest(&self) -> Digest {
        let lines: String = std::iter::once(&self.bundle)
            .chain(&self.cameras)
            .map(|used| format!("{} {}\n", used.sha256, used.name))
            .collect();
        Digest::of(lines.as_bytes())
    }

    /// Stands for all that decides about the events, so that only a replay of the same gives the same ids.
    pub(super) fn digest_with_rules(
        &self,
        args: &ReplayArgs,
        bundle: &Bundle,
        classifier: Kind,
    ) -> Result<Digest, Failure> {
        let zones = args.zones.as_deref().map(|file| content(file, "zones")).transpose()?;
        let zones = zones.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        let (seen, rules) = (self.digest(), bundle.digest());
        Ok(Digest::of(format!("{seen}\n{rules}\n{zones}\n{}\n{classifier}\n", args.session).as_bytes()))
    }

    /// What of `other` is not the same, for people; nothing if all is. `other` may have fewer cameras: the first ones.
    pub(super) fn differs_from(&self, other: &Self) -> Option<String> {
        let names = |input: &Self| -> Vec<String> { input.cameras.iter().map(|c| c.name.clone()).collect() };
        let (ours, theirs) = (names(self), names(other));
        if self.bundle != other.bundle {
            let same_name = if self.bundle.name == other.bundle.name { " of other content" } else { "" };
            return Some(format!("bundle {} and not {}{same_name}", self.bundle.name, other.bundle.name));
        }
        if !ours.starts_with(&theirs) {
            return Some(format!("cameras {} and not {}", ours.join(", "), theirs.join(", ")));
        }
        let other_recording = self.cameras.iter().zip(&other.cameras).find(|(a, b)| a != b);
        other_recording.map(|(camera, _)| format!("another recording of camera {}", camera.name))
    }
}

fn content(path: &Path, what: &str) -> Result<Digest, Failure> {
    let read = || -> io::Result<Digest> { Digest::of_reader(File::open(path)?) };
    read().map_err(|e| {
        Failure::usage(format_args!("{}: cannot read the {what}: {e}; check the path", path.display()))
    })
}
