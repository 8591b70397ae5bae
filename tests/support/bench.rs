//! A place for one test's files, with a bundle in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::input::{Real, tiny_bundle, tiny_model, with_temporal};
use crate::program::{Ran, cartvisiond, run};
use crate::video::{self, Index};

/// A temporary directory, and the bundle in it.
#[derive(Debug)]
pub struct Bench {
    /// The directory.
    pub place: TempDir,
    /// The bundle.
    pub bundle: PathBuf,
}

impl Bench {
    /// With the real model; `items` as `cartlab bundle` takes them.
    pub fn of(real: &Real, items: &str) -> Self {
        let place = TempDir::new().unwrap();
        let bundle = real.bundle(place.path(), items);
        Self { place, bundle }
    }

    /// With the tiny model.
    pub fn tiny() -> Self {
        let place = TempDir::new().unwrap();
        let bundle = tiny_bundle(place.path());
        Self { place, bundle }
    }

    /// With the tiny model, and one of the tiny temporal classifiers for features of that version.
    pub fn temporal(model: &str, feature_version: u32) -> Self {
        Self::tiny().and_temporal(&tiny_model(model), feature_version)
    }

    /// With this temporal classifier for features of that version in its bundle.
    pub fn and_temporal(self, model: &Path, feature_version: u32) -> Self {
        let Self { place, bundle } = self;
        let bundle = with_temporal(&bundle, model, feature_version, place.path().join("bundle-temporal"));
        Self { place, bundle }
    }

    /// The path of a file of this name.
    pub fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Writes a file, and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.at(name);
        fs::write(&file, content).unwrap();
        file
    }

    /// A replay, ready to run.
    pub fn replay(&self, cameras: &[(&str, &Path)], more: &[&str]) -> Command {
        let mut command = cartvisiond();
        command.arg("replay").arg("--bundle").arg(&self.bundle).args(more);
        for (name, file) in cameras {
            command.arg("--camera").arg(format!("{name}={}", file.display()));
        }
        command
    }

    /// A recording of ten frames, made when it is first asked for.
    pub fn clip(&self) -> PathBuf {
        let file = self.at("ten-frames.mov");
        if file.exists() { file } else { video::ball(10, Index::Front, file) }
    }

    /// A replay of that recording, which works, with more arguments.
    pub fn replay_with(&self, more: &[&str]) -> Command {
        self.replay(&[("rim", &self.clip())], more)
    }

    /// Replays, with the events in a new file; gives how it went, and the file.
    pub fn replay_to_file(&self, cameras: &[(&str, &Path)], more: &[&str]) -> (Ran, PathBuf) {
        let file = self.at(&format!("events-{}.jsonl", fs::read_dir(self.place.path()).unwrap().count()));
        let ran = run(self.replay(cameras, more).arg("--events").arg(&file)).expect_code(0);
        (ran, file)
    }
}

/// One figure of what `cartlab eval --json` said.
///
/// # Panics
/// When there is none of that name.
pub fn figure(said: &Value, name: &str) -> Value {
    let figures = said["figures"].as_array().unwrap();
    figures.iter().find(|figure| figure["figure"] == name).unwrap().clone()
}
