//! `cartlab bundle` as a user meets it: what it makes, and the table of what it refuses, with exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::io::Write as _;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cartvision_core::{Role, features};
use cartvision_engines::{
    Bundle, Variant,
    bundle::{Colour, Dtype, Family, Placement, TensorLayout},
};
use tempfile::{TempDir, tempdir};

/// The tiny models that the engines' tests are made with.
fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engines/tests/data").join(name)
}

fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/real").join(name);
    if !path.exists() {
        // Not by a macro: the harness would swallow it.
        _ = writeln!(std::io::stderr(), "SKIPPED: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn cartlab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cartlab")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A place with class lists and models, and the arguments that make a good bundle of `yolo.onnx` there.
struct Bench {
    place: TempDir,
}

impl Bench {
    fn new() -> Self {
        let place = tempdir().unwrap();
        for (name, content) in [
            ("two.txt", "person\r\nbottle\r\n\r\n"),
            ("three.txt", "person\nbottle\ncup\n"),
            ("twice.txt", "person\nperson\n"),
            ("text.onnx", "this is no model\n"),
            ("null.json", r#"{"map": null}"#),
            ("list.json", "[1, 2]"),
        ] {
            fs::write(place.path().join(name), content).unwrap();
        }
        Self { place }
    }

    fn path(&self, name: &str) -> String {
        self.place.path().join(name).to_str().unwrap().to_owned()
    }

    /// The good arguments, with some replaced (`None`: left out) or added.
    fn bundle(&self, changes: &[(&str, Option<&str>)]) -> Output {
        let yolo = model("yolo.onnx").to_str().unwrap().to_owned();
        let (classes, out) = (self.path("two.txt"), self.path("out"));
        let mut arguments = vec![
            ("--onnx", Some(yolo.as_str())),
            ("--family", Some("yolo")),
            ("--classes", Some(&classes)),
            ("--items", Some("bottle=42")),
            ("--hand", Some("person")),
            ("--out", Some(&out)),
        ];
        for change in changes {
            match arguments.iter_mut().find(|(name, _)| *name == change.0) {
                Some(argument) => *argument = *change,
                None => arguments.push(*change),
            }
        }
        let given = arguments.iter().filter_map(|(name, value)| Some([*name, (*value)?]));
        // An empty value stands for a flag.
        let given: Vec<&str> =
            ["bundle"].into_iter().chain(given.flatten().filter(|word| !word.is_empty())).collect();
        cartlab(&given)
    }
}

#[test]
fn a_bundle_of_the_real_model_has_the_familys_defaults() {
    let (Some(onnx), Some(classes)) = (real("yolox_nano.onnx"), real("coco_classes.txt")) else { return };
    let bench = Bench::new();
    let out = bench.path("new/drinks 24");
    let made = cartlab(&[
        "bundle",
        "--onnx",
        onnx.to_str().unwrap(),
        "--family",
        "yolox",
        "--classes",
        classes.to_str().unwrap(),
        "--items",
        "bottle=08901030865278,wine glass",
        "--hand",
        "person",
        "--out",
        &out,
        "--json",
    ]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let said: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((&said["bundle"], &said["ignored"]), (&"drinks-24@1.0.0".into(), &77.into()));

    let bundle = Bundle::open(Path::new(&out)).unwrap();
    let m = &bundle.manifest().detector;
    assert_eq!(
        (m.family, m.width, m.height, m.layout, m.dtype, m.colour, m.scale, m.padding.placement),
        (Family::Yolox, 416, 416, TensorLayout::Nchw, Dtype::F32, Colour::Bgr, 1.0, Placement::TopLeft)
    );
    let class = |label: &str| bundle.manifest().classes.iter().find(|c| c.label == label).unwrap();
    assert_eq!((class("bottle").role, class("bottle").catalogue_id()), (Role::Item, "08901030865278"));
    assert_eq!((class("wine glass").role, class("wine glass").catalogue_id()), (Role::Item, "wine glass"));
    assert_eq!((class("person").role, class("cup").role), (Role::Hand, Role::Ignore));
}

#[test]
fn each_family_is_bundled_and_run() {
    let bench = Bench::new();
    for (file, family, extra, scale) in [
        ("yolo.onnx", "yolo", None, 1.0 / 255.0),
        ("yolo_open_size.onnx", "yolo", Some("64x64"), 1.0 / 255.0),
        ("yolo_rgbx.onnx", "yolo", None, 1.0),
        ("end2end.onnx", "end2end", None, 1.0 / 255.0),
        ("end2end_bytes_varying.onnx", "end2end", None, 1.0),
    ] {
        let (onnx, out) = (model(file), bench.path(file));
        let made = bench.bundle(&[
            ("--onnx", onnx.to_str()),
            ("--family", Some(family)),
            ("--out", Some(&out)),
            ("--input", extra),
            ("--name", Some("drinks")),
            ("--bundle-version", Some("2.1")),
        ]);
        let (stdout, stderr) = (text(&made.stdout), text(&made.stderr));
        assert_eq!(made.status.code(), Some(0), "{file}: {stderr}");
        for words in ["made drinks@2.1", "items     bottle", "hands     person", "next: cartvisiond replay"] {
            assert!(stdout.contains(words), "{file}: {stdout}");
        }
        let bundle = Bundle::open(Path::new(&out)).unwrap();
        let m = &bundle.manifest().detector;
        let colour = if file == "yolo_rgbx.onnx" { Colour::Rgbx } else { Colour::Rgb };
        assert_eq!((m.scale, m.colour, m.width), (scale, colour, 64), "{file}");
    }
    let all = bench.bundle(&[("--items", Some("*")), ("--out", Some(&bench.path("all")))]);
    assert!(text(&all.stdout).contains("items     bottle\n"), "{}", text(&all.stderr));
}

#[test]
fn every_variant_a_temporal_classifier_and_figures_go_in() {
    let bench = Bench::new();
    let (yolo, temporal) = (model("yolo.onnx"), model("temporal.onnx"));
    for (file, content) in [
        ("figures.toml", "[map]\nall = 0.5\nitems = [1, 2]\n"),
        ("figures.json", r#"{"map": {"all": 0.5, "items": [1, 2]}, "verified_with": "nothing"}"#),
    ] {
        fs::write(bench.path(file), content).unwrap();
        let (figures, out) = (bench.path(file), bench.path(&format!("bundle-of-{file}")));
        let made = bench.bundle(&[
            ("--onnx-int8-u8", yolo.to_str()),
            ("--onnx-int8-qdq", yolo.to_str()),
            ("--temporal", temporal.to_str()),
            ("--figures", Some(&figures)),
            ("--out", Some(&out)),
        ]);
        let (stdout, stderr) = (text(&made.stdout), text(&made.stderr));
        assert_eq!(made.status.code(), Some(0), "{file}: {stderr}");
        for words in ["variants  onnx-int8-u8, onnx-fp32, onnx-int8-qdq", "temporal  for features of version"]
        {
            assert!(stdout.contains(words), "{file}: {stdout}");
        }
        let bundle = Bundle::open(Path::new(&out)).unwrap();
        let manifest = bundle.manifest();
        let present: Vec<_> = manifest.detector.variants.present().map(|(variant, _)| variant).collect();
        assert_eq!(present, Variant::ALL);
        let learned = manifest.temporal.as_ref().unwrap();
        assert_eq!(learned.feature_version, features::VERSION);
        assert_eq!(bundle.read(&learned.model).unwrap(), fs::read(&temporal).unwrap());
        let map = manifest.figures["map"].as_table().unwrap();
        assert_eq!((map["all"].as_float(), map["items"].as_array().map(Vec::len)), (Some(0.5), Some(2)));
        assert!(manifest.figures["verified_with"].as_str().unwrap().starts_with("ONNX Runtime 1."), "{file}");
    }
    // One variant is enough, whichever it is.
    let only = bench.bundle(&[
        ("--onnx", None),
        ("--onnx-int8-qdq", yolo.to_str()),
        ("--out", Some(&bench.path("only"))),
        ("--json", Some("")),
    ]);
    assert_eq!(only.status.code(), Some(0), "{}", text(&only.stderr));
    let said: serde_json::Value = serde_json::from_slice(&only.stdout).unwrap();
    assert_eq!(said["variants"], serde_json::json!(["onnx-int8-qdq"]));
    assert_eq!(said["features_version"], serde_json::Value::Null);
}

#[test]
fn what_is_refused_says_what_where_and_what_next() {
    let bench = Bench::new();
    let path = |name: &str| bench.path(name);
    let of = |name: &str| model(name).to_str().unwrap().to_owned();
    fs::create_dir(path("taken")).unwrap();
    fs::write(path("taken/notes.txt"), "").unwrap();
    let taken = path("taken");
    /// What is tried, what differs from the good arguments, the exit code, and words of the message.
    type Case<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)], i32, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("no model", &[("--onnx", Some(&path("nowhere.onnx")))], 2, &["nowhere.onnx", "No such file"]),
        ("text as a model", &[("--onnx", Some(&path("text.onnx")))], 2, &["text.onnx", "cannot load"]),
        ("numbers in", &[("--onnx", Some(&of("ten_numbers.onnx")))], 2, &["ten_numbers.onnx", "1×10"]),
        (
            "a classifier",
            &[("--onnx", Some(&of("picture_classifier.onnx")))],
            2,
            &["picture_classifier.onnx", "1×3×1×1"],
        ),
        (
            "another family",
            &[("--onnx", Some(&of("end2end.onnx")))],
            2,
            &["end2end.onnx", "1×4×6", "--family"],
        ),
        ("size left open", &[("--onnx", Some(&of("yolo_open_size.onnx")))], 2, &["open", "--input 640x640"]),
        ("another size", &[("--input", Some("96x96"))], 2, &["yolo.onnx", "64x64, not 96x96"]),
        ("no size", &[("--input", Some("96"))], 2, &["--input", "416x416"]),
        (
            "one class too many",
            &[("--classes", Some(&path("three.txt")))],
            2,
            &["yolo.onnx", "2 classes", "has 3", "--classes"],
        ),
        ("no class list", &[("--classes", Some(&path("nowhere.txt")))], 2, &["nowhere.txt"]),
        ("a class twice", &[("--classes", Some(&path("twice.txt")))], 2, &["twice.txt", "line 2"]),
        (
            "a misspelt item",
            &[("--items", Some("botle"))],
            2,
            &["--items", "\"botle\"", "nearest is \"bottle\""],
        ),
        ("no detector", &[("--onnx", None)], 2, &["--onnx"]),
        (
            "an INT8 variant of another family",
            &[("--onnx-int8-u8", Some(&of("end2end.onnx")))],
            2,
            &["end2end.onnx", "1×4×6", "--family"],
        ),
        (
            "an INT8 variant with another input",
            &[("--onnx-int8-qdq", Some(&of("end2end_bytes_varying.onnx")))],
            2,
            &["end2end_bytes_varying.onnx", "1×64×64×3, u8", "1×3×64×64, f32"],
        ),
        ("no INT8 variant", &[("--onnx-int8-u8", Some(&path("nowhere.onnx")))], 2, &["nowhere.onnx"]),
        (
            "a detector as the temporal classifier",
            &[("--temporal", Some(&of("yolo.onnx")))],
            2,
            &["yolo.onnx", "1×24×15", "--temporal"],
        ),
        (
            "text as the temporal classifier",
            &[("--temporal", Some(&path("text.onnx")))],
            2,
            &["text.onnx", "cannot load", "--temporal"],
        ),
        (
            "a temporal classifier that gives logits",
            &[("--temporal", Some(&of("temporal_without_softmax.onnx")))],
            2,
            &["temporal_without_softmax.onnx", "softmax", "--temporal"],
        ),
        ("no figures", &[("--figures", Some(&path("nowhere.toml")))], 2, &["nowhere.toml", "--figures"]),
        (
            "figures that are text",
            &[("--figures", Some(&path("two.txt")))],
            2,
            &["two.txt", ".toml", ".json"],
        ),
        (
            "figures with null",
            &[("--figures", Some(&path("null.json")))],
            2,
            &["null.json", "null", "--figures"],
        ),
        ("figures that are a list", &[("--figures", Some(&path("list.json")))], 2, &["list.json", "table"]),
        ("a misspelt hand", &[("--hand", Some("prson"))], 2, &["--hand", "nearest is \"person\""]),
        ("no item", &[("--items", None)], 2, &["--items"]),
        ("an unknown family", &[("--family", Some("ssd"))], 2, &["--family", "yolox, yolo, end2end"]),
        (
            "three channels as four",
            &[("--colour", Some("rgbx"))],
            2,
            &["detector.colour", "rgbx", "nhwc", "options"],
        ),
        (
            "four channels as three",
            &[("--onnx", Some(&of("yolo_rgbx.onnx"))), ("--colour", Some("bgr"))],
            2,
            &["yolo_rgbx.onnx", "1×64×64×4", "1×64×64×3"],
        ),
        ("no scale", &[("--scale", Some("0"))], 2, &["detector.scale"]),
        ("a bad version", &[("--bundle-version", Some("a b"))], 2, &["version", "letters"]),
        ("a place that is taken", &[("--out", Some(&taken))], 2, &["taken", "not empty", "--force"]),
        (
            "taken, by no bundle",
            &[("--out", Some(&taken)), ("--force", Some(""))],
            2,
            &["taken", "no bundle.toml"],
        ),
        ("a place below a file", &[("--out", Some(&path("two.txt/b")))], 2, &["two.txt"]),
        // Nobody may create anything here, not even root.
        ("a read-only place", &[("--out", Some("/proc/cartlab-test"))], 3, &["/proc", "cannot create"]),
    ];
    let mut failures = Vec::new();
    for (name, changes, code, words) in cases {
        let output = bench.bundle(changes);
        let stderr = text(&output.stderr);
        if output.status.code() != Some(*code) {
            failures.push(format!("{name}: exit code {:?}: {stderr}", output.status.code()));
        }
        // Those that clap finds have its own form.
        let ours =
            stderr.starts_with("error: ") && (stderr.contains("\nnext: ") || stderr.contains("--help"));
        if !ours || !output.stdout.is_empty() {
            failures.push(format!("{name}: not in the form of an error: {stderr}"));
        }
        if let Some(word) = words.iter().find(|word| !stderr.contains(**word)) {
            failures.push(format!("{name}: no {word:?} in: {stderr}"));
        }
    }
    let mut left: Vec<_> =
        fs::read_dir(bench.place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    if left != ["list.json", "null.json", "taken", "text.onnx", "three.txt", "twice.txt", "two.txt"] {
        failures.push(format!("left behind: {left:?}"));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_missing_engine_is_the_environments_fault() {
    let bench = Bench::new();
    let (yolo, classes, out) = (model("yolo.onnx"), bench.path("two.txt"), bench.path("out"));
    let output = Command::new(env!("CARGO_BIN_EXE_cartlab"))
        .args(["bundle", "--family", "yolo", "--items", "bottle", "--onnx"])
        .args([yolo.to_str().unwrap(), "--classes", &classes, "--out", &out])
        .env("ORT_DYLIB_PATH", bench.path("nowhere.so"))
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("nowhere.so") && stderr.contains("make setup"), "{stderr}");
    assert!(!Path::new(&out).exists());
}

#[test]
fn force_replaces_a_bundle() {
    let bench = Bench::new();
    assert_eq!(bench.bundle(&[]).status.code(), Some(0));
    let again = bench.bundle(&[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("--force"));
    let forced = bench.bundle(&[("--force", Some("")), ("--bundle-version", Some("2.0.0"))]);
    assert_eq!(forced.status.code(), Some(0), "{}", text(&forced.stderr));
    assert_eq!(Bundle::open(Path::new(&bench.path("out"))).unwrap().identity(), "out@2.0.0");
}

#[test]
fn help_has_an_example_and_the_exit_codes() {
    let (all, bundle) = (cartlab(&["--help"]), cartlab(&["bundle", "--help"]));
    assert!(text(&all.stdout).contains("Exit codes"));
    assert!(text(&bundle.stdout).contains("cartlab bundle --onnx yolox_nano.onnx"));
    assert_eq!((all.status.code(), cartlab(&[]).status.code()), (Some(0), Some(2)));
}
