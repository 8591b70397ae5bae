//! Of data sets that were made.

use std::fs;

use cartvision_core::features;

use super::{Plant, edit, planted};
use crate::recorded::*;

fn data(format: &str) -> (Place, std::path::PathBuf) {
    let place = Place::new();
    let (set, out) = (place.three(), place.path("data"));
    let (_kept, questions) = Place::questions(&["hand-01", "hand-02", "hand-03"]);
    let pictures: &[&str] =
        if format == "windows" { &["--questions", &questions] } else { &["--size", "160x90"] };
    let base =
        ["export", "--sessions", set.to_str().unwrap(), "--format", format, "--out", out.to_str().unwrap()];
    good(&[&base, pictures].concat());
    (place, out)
}

const PICTURE: &str = "images/train/hand-01_rim-left_000010.jpg";
const LABELS: &str = "labels/train/hand-01_rim-left_000010.txt";

#[test]
fn yolo() {
    let cases: &[(&str, Plant, &str)] = &[
        (
            "a missing picture",
            |d| fs::remove_file(d.join(PICTURE)).unwrap(),
            "000010.jpg: labels refer to it, but",
        ),
        (
            "missing labels",
            |d| fs::remove_file(d.join(LABELS)).unwrap(),
            "000010.jpg: nobody labels this picture",
        ),
        (
            "a picture that is cut off",
            |d| {
                let bytes = fs::read(d.join(PICTURE)).unwrap();
                fs::write(d.join(PICTURE), &bytes[..bytes.len() / 2]).unwrap();
            },
            "000010.jpg: the picture cannot be decoded: it is cut off",
        ),
        ("no picture at all", |d| fs::write(d.join(PICTURE), b"\xff\xd9").unwrap(), "cannot be decoded"),
        (
            "a class too many",
            |d| fs::write(d.join(LABELS), "5 0.5 0.5 0.1 0.1").unwrap(),
            "there is no class 5, only 5",
        ),
        (
            "out of the frame",
            |d| fs::write(d.join(LABELS), "0 0.5 0.99 0.1 0.1").unwrap(),
            "is out of the frame",
        ),
        ("inverted", |d| fs::write(d.join(LABELS), "0 0.5 0.5 -0.1 0.1").unwrap(), "is empty or inverted"),
        (
            "not a number",
            |d| fs::write(d.join(LABELS), "0 nan 0.5 0.1 0.1").unwrap(),
            "something that is no number",
        ),
        (
            "words",
            |d| fs::write(d.join(LABELS), "0 0.5 0.5 0.1 0.1\ncan\n").unwrap(),
            "txt:2: \"can\" is no class",
        ),
        (
            "a picture in two splits",
            |d| {
                let copy = "val/hand-02_rim-left_000010";
                fs::copy(d.join(PICTURE), d.join(format!("images/{copy}.jpg"))).unwrap();
            },
            "val and train share this picture: images/train/hand-01_rim-left_000010.jpg",
        ),
        (
            "sessions that leak",
            |d| edit(&d.join("dataset.json"), "\"shopper\":\"fast-2\"", "\"shopper\":\"fast-1\""),
            "hand-01 (train) and hand-02 (val) share the shopper fast-1",
        ),
        (
            "a class without boxes",
            |d| {
                edit(
                    &d.join("dataset.json"),
                    "\"role\":\"unknown\"}",
                    "\"role\":\"unknown\"},{\"label\":\"Milk\",\"id\":\"4\",\"role\":\"item\"}",
                )
            },
            "no box is of the class Milk",
        ),
        (
            "fewer boxes than were made",
            |d| fs::write(d.join(LABELS), "").unwrap(),
            "dataset.json: train is to hold",
        ),
    ];
    planted(cases, || data("yolo"), "--data");
}

#[test]
fn coco() {
    const DOCUMENT: &str = "annotations/instances_train.json";
    let cases: &[(&str, Plant, &str)] = &[
        (
            "a missing picture",
            |d| fs::remove_file(d.join(PICTURE)).unwrap(),
            "000010.jpg: labels refer to it, but",
        ),
        (
            "a picture that nobody labels",
            |d| assert!(fs::copy(d.join(PICTURE), d.join("images/train/new.jpg")).unwrap() > 0),
            "new.jpg: nobody labels this picture",
        ),
        (
            "another size",
            |d| edit(&d.join(DOCUMENT), "\"width\":160", "\"width\":161"),
            "its labels say 161x90",
        ),
        (
            "a class too many",
            |d| edit(&d.join(DOCUMENT), "\"category_id\":2", "\"category_id\":9"),
            "there is no class 8",
        ),
        (
            "class none",
            |d| edit(&d.join(DOCUMENT), "\"category_id\":2", "\"category_id\":0"),
            "there is no class",
        ),
        ("inverted", |d| edit(&d.join(DOCUMENT), "20.0,30.0]", "-20.0,30.0]"), "is empty or inverted"),
        (
            "another area",
            |d| edit(&d.join(DOCUMENT), "\"area\":600.0", "\"area\":601.0"),
            "its area is 601, its box's 600",
        ),
        (
            "an id twice",
            |d| edit(&d.join(DOCUMENT), "{\"id\":2,\"image_id\"", "{\"id\":1,\"image_id\""),
            "the annotation id 1 is there twice",
        ),
        (
            "of no picture",
            |d| edit(&d.join(DOCUMENT), "\"image_id\":1,", "\"image_id\":999,"),
            "is of image 999, which is not there",
        ),
        (
            "other classes",
            |d| edit(&d.join(DOCUMENT), "\"name\":\"hand\"", "\"name\":\"foot\""),
            "not the data set's classes",
        ),
        ("no document", |d| fs::write(d.join(DOCUMENT), "{").unwrap(), "instances_train.json:1: EOF"),
    ];
    planted(cases, || data("coco"), "--data");
}

#[test]
fn windows() {
    const ROWS: &str = "windows/train.jsonl";
    let cases: &[(&str, Plant, &str)] = &[
        (
            "another version",
            |d| {
                let version = format!("\"features_version\":{}", features::VERSION);
                edit(&d.join(ROWS), &version, "\"features_version\":999");
            },
            "have version 999",
        ),
        ("another column", |d| edit(&d.join(ROWS), "\"still_s\"", "\"speed\""), "the columns are not those"),
        (
            "another label",
            |d| edit(&d.join(ROWS), "\"label\":\"added\"", "\"label\":\"moved\""),
            "\"moved\" is no label",
        ),
        (
            "a row less",
            |d| edit(&d.join(ROWS), "\"window\":[[", "\"window\":[[0.0],["),
            "it is not 24 rows of 15 values, and 26 more",
        ),
        (
            "not a number",
            |d| edit(&d.join(ROWS), "\"window\":[[0.5", "\"window\":[[NaN"),
            "train.jsonl:2: expected value",
        ),
        (
            "null",
            |d| edit(&d.join(ROWS), "\"window\":[[0.5", "\"window\":[[null"),
            "train.jsonl:2: invalid type: null",
        ),
        (
            "of another split",
            |d| edit(&d.join(ROWS), "\"session\":\"hand-01\"", "\"session\":\"hand-02\""),
            "session hand-02 is none of train",
        ),
        (
            "a window less",
            |d| {
                let text = fs::read_to_string(d.join(ROWS)).unwrap();
                fs::write(d.join(ROWS), &text[..text.trim_end().rfind('\n').unwrap() + 1]).unwrap();
            },
            "none, and ",
        ),
        ("no rows", |d| fs::remove_file(d.join(ROWS)).unwrap(), "train.jsonl: cannot read it"),
    ];
    planted(cases, || data("windows"), "--data");
}

#[test]
fn chat() {
    const LINES: &str = "train.jsonl";
    let cases: &[(&str, Plant, &str)] = &[
        (
            "no candidate",
            |d| edit(&d.join(LINES), "- 111: ", "- 777: "),
            "train.jsonl:1: the answer names 111, which is no",
        ),
        (
            "no JSON",
            |d| edit(&d.join(LINES), "\"{\\\"events\\\":[{", "\"Events: [{"),
            "the answer is not as asked for",
        ),
        (
            "another kind",
            |d| {
                edit(
                    &d.join(LINES),
                    "\\\"kind\\\":\\\"added\\\",\\\"id\\\":\\\"111\\\"",
                    "\\\"kind\\\":\\\"put\\\",\\\"id\\\":\\\"111\\\"",
                )
            },
            "unknown variant `put`",
        ),
        (
            "before the first picture",
            |d| edit(&d.join(LINES), "\\\"111\\\",\\\"time\\\":", "\\\"111\\\",\\\"time\\\":-"),
            "is before the first picture",
        ),
        (
            "another speaker",
            |d| edit(&d.join(LINES), "\"role\":\"assistant\"", "\"role\":\"user\""),
            "it is not system, user",
        ),
        (
            "a missing picture",
            |d| {
                let first = fs::read_dir(d.join("images/train")).unwrap().next().unwrap().unwrap();
                fs::remove_file(first.path()).unwrap();
            },
            "labels refer to it, but the picture is missing",
        ),
        (
            "a picture that nobody shows",
            |d| fs::write(d.join("images/val/x.jpg"), "").unwrap(),
            "x.jpg: nobody labels this picture",
        ),
    ];
    planted(cases, || data("chat"), "--data");
}
