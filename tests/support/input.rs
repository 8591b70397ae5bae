//! What goes in: the real clip and model where they are, bundles, and configurations.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cartvision_engines::bundle::TemporalClassifier;
use cartvision_engines::{Bundle, Draft};
use serde_json::Value;

use crate::program::{cartlab, run};

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The real clip, its model and the tool that scores events. They are no part of the repository.
#[derive(Clone, Debug)]
pub struct Real {
    /// The clip.
    pub video: PathBuf,
    /// Its labelled events.
    pub truth: PathBuf,
    model: PathBuf,
    classes: PathBuf,
    scorer: PathBuf,
}

impl Real {
    /// Finds them. Where they are not, says so past the test harness's capture: a skipped test must not look
    /// like one that passed.
    pub fn find() -> Option<Self> {
        let shared = repository().join("../shared");
        let at = |name: &str| shared.join(name);
        let real = Self {
            video: at("real/bottle-detection.mp4"),
            truth: at("real/truth.jsonl"),
            model: at("real/yolox_nano.onnx"),
            classes: at("real/coco_classes.txt"),
            scorer: at("tools/score-events"),
        };
        let files = [&real.video, &real.truth, &real.model, &real.classes, &real.scorer];
        if let Some(absent) = files.into_iter().find(|file| !file.exists()) {
            let test = std::thread::current();
            let name = test.name().unwrap_or("a test");
            _ = writeln!(std::io::stderr(), "SKIPPED: {name}: {} is absent", absent.display());
            return None;
        }
        Some(real)
    }

    /// A bundle of the real model; `items` as `cartlab bundle` takes them, the hand is COCO's `person`.
    pub fn bundle(&self, place: &Path, items: &str) -> PathBuf {
        bundle(place, &self.model, "yolox", &self.classes, items)
    }

    /// The scorer's verdict on the events in a file.
    ///
    /// # Panics
    /// When the scorer refuses the file.
    pub fn score(&self, truth: &Path, events: &Path) -> Value {
        let ran = run(Command::new("python3").arg(&self.scorer).arg("--json").args([
            Path::new("--truth"),
            truth,
            Path::new("--events"),
            events,
            Path::new("--min-f1"),
            Path::new("1.0"),
        ]));
        assert!(matches!(ran.code, Some(0 | 1)), "the scorer refused: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Asserts that the scorer finds every labelled event and no other, and so many unresolved at most.
    ///
    /// # Panics
    /// With the scorer's verdict.
    pub fn expect_all(&self, truth: &Path, events: &Path, max_unresolved: u64) {
        let labelled = std::fs::read_to_string(truth).unwrap().lines().count() as u64;
        let score = self.score(truth, events);
        let figure = |name: &str| score[name].as_u64().unwrap();
        let found = (figure("tp"), figure("fp"), figure("fn"));
        assert_eq!(found, (labelled, 0, 0), "{}: {score:#}", events.display());
        assert!(figure("unresolved") <= max_unresolved, "{}: {score:#}", events.display());
        assert_eq!(figure("delivered_again"), 0, "{score:#}");
    }
}

/// The repository's own bundle.
pub fn own_bundle() -> PathBuf {
    repository().join("engines/models/dummy-24")
}

/// A model of 64×64 that always reports one still box of class `bottle`, whatever it is shown: for tests of
/// everything around the decisions. Its catalogue has `bottle` as 42 and `cup` as 43.
pub fn tiny_bundle(place: &Path) -> PathBuf {
    let classes = place.join("tiny-classes.txt");
    std::fs::write(&classes, "cup\nbottle\n").unwrap();
    bundle(place, &tiny_model("yolo.onnx"), "yolo", &classes, "bottle=42,cup=43")
}

/// One of the tiny models that the engines are tested with.
pub fn tiny_model(name: &str) -> PathBuf {
    repository().join("engines/tests/data").join(name)
}

fn bundle(place: &Path, model: &Path, family: &str, classes: &Path, items: &str) -> PathBuf {
    let out = place.join(format!("bundle-{family}"));
    let mut cartlab = cartlab();
    cartlab.arg("bundle").arg("--onnx").arg(model).args(["--family", family, "--items", items]);
    cartlab.arg("--classes").arg(classes).arg("--out").arg(&out);
    if family == "yolox" {
        cartlab.args(["--hand", "person"]);
    }
    run(&mut cartlab).expect_code(0);
    out
}

/// A bundle like this one, with this temporal classifier, made for features of that version.
pub fn with_temporal(bundle: &Path, model: &Path, feature_version: u32, place: PathBuf) -> PathBuf {
    let bundle = Bundle::open(bundle).unwrap();
    let draft = Draft::begin(&place, false).unwrap();
    for file in bundle.manifest().files() {
        draft.add(&file.file, &bundle.read(file).unwrap()).unwrap();
    }
    let mut manifest = bundle.manifest().clone();
    let model = draft.add("temporal.onnx", &std::fs::read(model).unwrap()).unwrap();
    manifest.temporal = Some(TemporalClassifier { feature_version, model });
    draft.finish(&manifest).unwrap();
    draft.publish().unwrap();
    place
}

/// Writes a configuration of store `store-1`, cart `cart-1`; `cameras` are its `[[camera]]` blocks.
pub fn configuration(place: &Path, broker: &str, bundle: &Path, cameras: &str) -> PathBuf {
    let text = format!(
        "[cart]\nstore = 'store-1'\nid = 'cart-1'\nstate_dir = '{}'\n[broker]\n{broker}\n[model]\nbundle = '{}'\nthreads = 1\n{cameras}",
        place.join("state").display(),
        bundle.display()
    );
    std::fs::create_dir_all(place).unwrap();
    let file = place.join("cart.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// A `[[camera]]` block with that source.
pub fn camera(name: &str, source: &str) -> String {
    format!("[[camera]]\nname = '{name}'\nsource = {{ {source} }}\n")
}

/// A camera that costs next to nothing.
pub const PATTERN: &str = "kind = 'test', pattern = 'ball', width = 64, height = 48, framerate = 10";
