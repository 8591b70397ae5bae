//! What a detector saw, written by hand: recorded inputs with questions in them that need no real model.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cartvision_engines::bundle::Digest;

use crate::bench::Bench;
use crate::program::run;
use crate::video::{self, Index};

/// Pictures a second of the script.
const RATE: u64 = 15;
/// Where the carried item comes to lie.
const REST: f64 = 0.45;

/// A bottle is carried in from the left, lies there, and is carried out again; a cup lies there all the time. Seen by
/// so many cameras, each a little later than the one before.
fn pictures(cameras: u64) -> String {
    let mut lines = String::new();
    for i in 0..13 * RATE {
        let t = i as f64 / RATE as f64;
        let share = match t {
            t if t < 3.0 => None,
            t if t < 4.0 => Some(t - 3.0),
            t if t < 8.0 => Some(1.0),
            t if t < 9.0 => Some(9.0 - t),
            _ => None,
        };
        let cup = r#"{"class":0,"score":0.875,"box":[0.75,0.25,0.875,0.5]}"#.to_owned();
        let bottle = share.map(|share| {
            let x = 0.01 + share * REST;
            format!(r#"{{"class":1,"score":0.9375,"box":[{x},0.4,{},0.6]}}"#, x + 0.12)
        });
        let seen = bottle.into_iter().chain([cup]).collect::<Vec<_>>().join(",");
        for camera in 0..cameras {
            let at_ns = i * 1_000_000_000 / RATE + camera * 20_000_000;
            writeln!(lines, r#"{{"saw":{{"camera":{camera},"at_ns":{at_ns},"seen":[{seen}]}}}}"#).unwrap();
        }
    }
    lines
}

/// A bench with the tiny model, and a recording for which recorded inputs say that `pictures` were seen in it.
#[derive(Debug)]
pub struct Scripted {
    /// The bench.
    pub bench: Bench,
    /// The recording.
    pub clip: PathBuf,
    /// The recorded inputs.
    pub inputs: PathBuf,
    /// The cameras' names.
    pub cameras: Vec<String>,
}

impl Scripted {
    /// With so many cameras.
    pub fn new(cameras: u64) -> Self {
        Self::of(Bench::tiny(), cameras)
    }

    /// On this bench.
    pub fn of(bench: Bench, cameras: u64) -> Self {
        let clip = video::ball(3, Index::Front, bench.at("script.mov"));
        let inputs = bench.at("script.jsonl");
        let names: Vec<String> = (0..cameras).map(|n| format!("rim-{n}")).collect();
        let mut scripted = Self { bench, clip, inputs, cameras: names };
        let recorded = scripted.bench.at("recorded.jsonl");
        scripted.inputs = recorded.clone();
        run(&mut scripted.replay(&[])).expect_code(0);
        scripted.inputs = script(&recorded, cameras, scripted.bench.at("script.jsonl"));
        scripted
    }

    /// A replay of what was seen.
    pub fn replay(&self, more: &[&str]) -> std::process::Command {
        let cameras: Vec<_> = self.cameras.iter().map(|name| (name.as_str(), self.clip.as_path())).collect();
        let mut command = self.bench.replay(&cameras, more);
        command.arg("--inputs").arg(&self.inputs);
        command
    }
}

/// Recorded inputs with the same header, of the script's pictures.
fn script(recorded: &Path, cameras: u64, file: PathBuf) -> PathBuf {
    let recorded = fs::read_to_string(recorded).unwrap();
    let header = recorded.lines().next().unwrap();
    let mut text = format!("{header}\n{}", pictures(cameras));
    for camera in 0..cameras {
        writeln!(text, r#"{{"ended":{{"camera":{camera}}}}}"#).unwrap();
    }
    let sha256 = Digest::of(text.as_bytes());
    writeln!(text, r#"{{"seal":{{"sha256":"{sha256}"}}}}"#).unwrap();
    fs::write(&file, text).unwrap();
    file
}
