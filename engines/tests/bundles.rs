//! Bundles: written whole, opened whole, and refused with the file's name and what differs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use cartvision_engines::{
    Bundle, BundleError, Draft,
    bundle::{Digest, MANIFEST},
};
use tempfile::tempdir;

mod support;
use support::{YOLO, bundle, data, manifest};

fn made(place: &Path) -> Bundle {
    bundle(place, &data("yolo.onnx"), manifest(YOLO, &["item", "hand"]))
}

#[test]
fn what_is_written_is_read() {
    let place = tempdir().unwrap();
    let written = made(&place.path().join("b"));
    let read = Bundle::open(&place.path().join("b")).unwrap();
    assert_eq!(read.manifest(), written.manifest());
    assert_eq!(read.manifest().detector.scale, 0.003_921_569);
    assert_eq!((read.digest(), read.identity()), (written.digest(), "tiny@1.0.0".to_owned()));
    assert_eq!(read.digest(), Digest::of(&fs::read(place.path().join("b").join(MANIFEST)).unwrap()));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
}

/// Each case changes one thing of a good bundle; the message must name the file and say what is wrong.
#[test]
fn faults_are_named() {
    type Change = fn(&Path);
    fn edit(directory: &Path, from: &str, to: &str) {
        let path = directory.join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
    let cases: &[(&str, Change, &[&str])] = &[
        (
            "no manifest",
            |d| fs::remove_file(d.join(MANIFEST)).unwrap(),
            &["bundle.toml", "missing", "cartlab bundle"],
        ),
        ("no model", |d| fs::remove_file(d.join("model.onnx")).unwrap(), &["model.onnx", "missing"]),
        (
            "a changed byte",
            |d| {
                let path = d.join("model.onnx");
                let mut bytes = fs::read(&path).unwrap();
                bytes[100] ^= 1;
                fs::write(path, bytes).unwrap();
            },
            &["model.onnx", "altered", "SHA-256"],
        ),
        ("not text", |d| fs::write(d.join(MANIFEST), [0xff, 0xfe]).unwrap(), &["bundle.toml", "utf-8"]),
        ("not TOML", |d| fs::write(d.join(MANIFEST), "format = = 1").unwrap(), &["bundle.toml", "line 1"]),
        ("an unknown key", |d| edit(d, "width", "widht"), &["bundle.toml", "`widht`", "`width`"]),
        ("a missing key", |d| edit(d, "name = \"tiny\"", ""), &["missing field `name`"]),
        ("a later format", |d| edit(d, "format = 1", "format = 2"), &["format", "2", "reads 1"]),
        ("an unknown family", |d| edit(d, "\"yolo\"", "\"ssd\""), &["`ssd`", "`yolox`", "`end2end`"]),
        ("an unknown role", |d| edit(d, "\"hand\"", "\"foot\""), &["`foot`", "`hand`"]),
        ("a short digest", |d| edit(d, "sha256 = \"", "sha256 = \"x"), &["64 hexadecimal digits"]),
        ("too wide", |d| edit(d, "width = 64", "width = 8193"), &["detector.width", "8192"]),
        ("no scale", |d| edit(d, "scale = 0.0", "scale = -0.0"), &["detector.scale"]),
        ("scaled bytes", |d| edit(d, "\"f32\"", "\"u8\""), &["detector.scale", "u8"]),
        (
            "rgbx in planes",
            |d| {
                edit(d, "\"f32\"", "\"u8\"");
                edit(d, "\"rgb\"", "\"rgbx\"");
            },
            &["detector.colour", "rgbx", "nhwc"],
        ),
        (
            "rgbx as floats",
            |d| {
                edit(d, "\"nchw\"", "\"nhwc\"");
                edit(d, "\"rgb\"", "\"rgbx\"");
            },
            &["detector.colour", "rgbx", "u8"],
        ),
        ("an unknown colour", |d| edit(d, "\"rgb\"", "\"grey\""), &["`grey`", "`rgbx`"]),
        ("a threshold of 1", |d| edit(d, "score = 0.1", "score = 1.0 #"), &["thresholds.score"]),
        ("a name with @", |d| edit(d, "\"tiny\"", "\"ti@ny\""), &["name", "letters"]),
        (
            "an endless label",
            |d| edit(d, "\"c1\"", &format!("{:?}", "x".repeat(65))),
            &["classes[1]", "label", "64"],
        ),
        ("a class twice", |d| edit(d, "\"c1\"", "\"c0\""), &["classes[1]", "c0"]),
        (
            "a file above",
            |d| edit(d, "\"model.onnx\"", "\"../model.onnx\""),
            &["../model.onnx", "not inside"],
        ),
        (
            "a file elsewhere",
            |d| edit(d, "\"model.onnx\"", "\"/etc/passwd\""),
            &["/etc/passwd", "not inside"],
        ),
        (
            "a link out",
            |d| {
                let path = d.join("model.onnx");
                fs::rename(&path, d.parent().unwrap().join("elsewhere.onnx")).unwrap();
                std::os::unix::fs::symlink("../elsewhere.onnx", path).unwrap();
            },
            &["model.onnx", "not inside"],
        ),
    ];
    let mut failures = Vec::new();
    for (name, change, words) in cases {
        let place = tempdir().unwrap();
        let directory = place.path().join("b");
        made(&directory);
        change(&directory);
        match Bundle::open(&directory) {
            Ok(_) => failures.push(format!("{name}: accepted")),
            Err(e) if e.is_environment() => failures.push(format!("{name}: blamed on the machine: {e}")),
            Err(e) => {
                let text = e.to_string();
                if let Some(word) = words.iter().find(|word| !text.contains(**word)) {
                    failures.push(format!("{name}: no {word:?} in: {text}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_draft_takes_only_a_free_place_or_a_bundle() {
    let root = tempdir().unwrap();
    let begin = |name: &str, replace| Draft::begin(&root.path().join(name), replace).map(drop);
    let refused = |name: &str, replace| matches!(begin(name, replace), Err(BundleError::Occupied { .. }));

    fs::create_dir(root.path().join("empty")).unwrap();
    assert!(begin("empty", false).is_ok());

    fs::create_dir(root.path().join("photos")).unwrap();
    fs::write(root.path().join("photos/cat.jpg"), "").unwrap();
    assert!(refused("photos", false) && refused("photos", true));
    assert!(root.path().join("photos/cat.jpg").exists());

    fs::write(root.path().join("file"), "").unwrap();
    assert!(refused("file", false) && refused("file", true));

    made(&root.path().join("bundle"));
    assert!(refused("bundle", false));

    // Replaced whole: what only the old one had is gone.
    fs::write(root.path().join("bundle/notes.txt"), "").unwrap();
    let draft = Draft::begin(&root.path().join("bundle"), true).unwrap();
    let mut next = manifest(YOLO, &["hand", "item"]);
    next.version = "2.0.0".to_owned();
    next.detector.variants.onnx_fp32 =
        Some(draft.add("other.onnx", &fs::read(data("yolo.onnx")).unwrap()).unwrap());
    draft.finish(&next).unwrap();
    draft.publish().unwrap();
    assert_eq!(Bundle::open(&root.path().join("bundle")).unwrap().identity(), "tiny@2.0.0");
    let mut left: Vec<_> =
        fs::read_dir(root.path().join("bundle")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [MANIFEST, "other.onnx"]);
    let hidden = fs::read_dir(root.path()).unwrap().filter(|e| {
        let name = e.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(hidden.count(), 0, "drafts clean up behind them");
}
