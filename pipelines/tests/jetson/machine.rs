//! The machines that this program plays, each in a process of its own.

use std::{
    env,
    process::Command,
    sync::{Mutex, OnceLock},
};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::{cameras, decoders, encoder, nvvidconv, support};

const MACHINE: &str = "CARTVISION_TEST_MACHINE";

static HERE: OnceLock<Machine> = OnceLock::new();

/// What a machine has of NVIDIA's elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Machine {
    /// A Jetson with everything; JetPack 6 or 7.
    Orin,
    /// One whose decoder has no JPEG block, and so no property for it.
    Thor,
    /// One without its decoders and its encoder.
    Bare,
    /// A PC with DeepStream: the decoders and the encoder, and no `nvvidconv`.
    Desk,
}

impl Machine {
    /// The one that this process plays.
    pub fn here() -> Self {
        *HERE.get().unwrap()
    }

    fn register(self) {
        support::init();
        HERE.set(self).unwrap();
        cameras::register();
        if self != Self::Bare {
            decoders::register();
            encoder::register();
        }
        if self != Self::Desk {
            nvvidconv::register();
        }
    }
}

/// Runs `test` as that machine: in a child, as elements are registered for a whole process, and what there is of them
/// is looked at once in it.
pub fn on(machine: Machine, test: &str, body: impl FnOnce()) {
    let name = format!("{machine:?}");
    if env::var(MACHINE).is_ok_and(|played| played == name) {
        machine.register();
        return body();
    }
    let arguments = ["--exact", test, "--nocapture", "--test-threads=1"];
    let run = Command::new(env::current_exe().unwrap()).args(arguments).env(MACHINE, name).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    // A name that fits no test would pass as well.
    assert!(
        run.status.success() && said.contains("test result: ok. 1 passed"),
        "as {machine:?}: {said}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// What an element saw when it was negotiated.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name among factories.
    pub element: &'static str,
    /// Of its properties those that matter here, as `name=value`.
    pub set: String,
    pub input: Option<gst::Caps>,
    pub output: gst::Caps,
}

static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

pub fn saw(seen: Seen) {
    SEEN.lock().unwrap().push(seen);
}

/// What the elements of this factory saw, the newest last.
pub fn seen(element: &str) -> Vec<Seen> {
    SEEN.lock().unwrap().iter().filter(|seen| seen.element == element).cloned().collect()
}

static TRIED: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// A decoder was given a stream. `decodebin` goes on to the next one if it refuses.
pub fn tried(element: &'static str) {
    TRIED.lock().unwrap().push(element);
}

/// Whether a decoder of this factory was given a stream.
pub fn was_tried(element: &str) -> bool {
    TRIED.lock().unwrap().contains(&element)
}

/// `memory format widthxheight`, memory being `NVMM` or `ours`.
pub fn brief(caps: &gst::Caps) -> String {
    assert!(caps.is_fixed(), "{caps}");
    let (s, features) = caps.iter_with_features().next().unwrap();
    let memory = match features.to_string().as_str() {
        "memory:NVMM" => "NVMM",
        "memory:SystemMemory" => "ours",
        other => panic!("memory of no kind: {other}"),
    };
    let size = |name| s.get::<i32>(name).unwrap();
    let format = s.get::<&str>("format").unwrap_or_else(|_| s.name().as_str());
    format!("{memory} {format} {}x{}", size("width"), size("height"))
}

/// Registers a stand-in in place of whatever has its name.
pub fn stand_in<T: StaticType>(name: &str, rank: gst::Rank) {
    gst::Element::register(None, name, rank, T::static_type()).unwrap();
}
