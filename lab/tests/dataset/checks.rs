//! `check`: a sound set is sound, and every fault is found once it is planted.

use std::{fs, path::Path};

use serde_json::Value;

use crate::recorded::*;

/// Changes a text in a file; it must be there.
fn edit(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    assert!(text.contains(old), "{old:?} is in {}", file.display());
    fs::write(file, text.replacen(old, new, 1)).unwrap();
}

/// What a check says, and that it says "no".
fn faults(arguments: &[&str]) -> (u64, Vec<String>) {
    let ran = cartlab(&[&["check"], arguments, &["--json"]].concat());
    let said: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    let count = said["faults"].as_u64().unwrap();
    assert_eq!(ran.status.code(), Some(i32::from(count > 0)));
    let line = |fault: &Value| {
        let place = fault["line"].as_u64().map_or(String::new(), |line| format!(":{line}"));
        format!("{}{place}: {}", fault["file"].as_str().unwrap(), fault["what"].as_str().unwrap())
    };
    (count, said["first"].as_array().unwrap().iter().map(line).collect())
}

type Plant = fn(&Path);

fn planted(cases: &[(&str, Plant, &str)], sound: impl Fn() -> (Place, std::path::PathBuf), option: &str) {
    let mut wrong = vec![];
    for (name, plant, expected) in cases {
        let (_place, path) = sound();
        plant(&path);
        let (count, said) = faults(&[option, path.to_str().unwrap()]);
        if !said.iter().any(|fault| fault.contains(expected)) {
            wrong.push(format!("{name}: {count} faults, none with {expected:?}:\n  {}", said.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn recorded_sessions() {
    let place = Place::new();
    let set = place.three();
    assert_eq!(faults(&["--sessions", set.to_str().unwrap()]), (0, vec![]));
    let sound = || {
        let place = Place::new();
        let set = place.three();
        (place, set)
    };
    let cases: &[(&str, Plant, &str)] = &[
        (
            "a box out of the frame",
            |set| edit(&set.join("hand-01/boxes.jsonl"), "[200,40,240,100]", "[200,40,340,100]"),
            "hand-01/boxes.jsonl:1: track 4 (Cola blue): the box [200.0, 40.0, 340.0, 100.0] is out of the frame",
        ),
        (
            "an inverted box",
            |set| edit(&set.join("hand-01/boxes.jsonl"), "[200,40,240,100]", "[240,40,200,100]"),
            "is empty or inverted",
        ),
        (
            "not a number",
            |set| edit(&set.join("hand-01/boxes.jsonl"), "[200,40,240,100]", "[NaN,40,240,100]"),
            "boxes.jsonl:1: expected value",
        ),
        (
            "a track twice",
            |set| edit(&set.join("hand-01/boxes.jsonl"), "\"track\":3", "\"track\":4"),
            "track 4 is here twice",
        ),
        (
            "a frame without a line",
            |set| {
                let file = set.join("hand-02/boxes.jsonl");
                let text = fs::read_to_string(&file).unwrap();
                fs::write(&file, text.split_once('\n').unwrap().1).unwrap();
            },
            "1 frames of camera rim-left have no line; the first is frame 0",
        ),
        (
            "a class without boxes",
            |set| {
                for session in ["hand-01", "hand-02", "hand-03"] {
                    let file = set.join(session).join("catalogue.json");
                    let mut catalogue = read_json(&file);
                    let items = catalogue["items"].as_array_mut().unwrap();
                    let mut more = items[0].clone();
                    (more["id"], more["label"]) = ("444".into(), "Milk".into());
                    items.push(more);
                    write_json(&file, &catalogue);
                }
            },
            "no box in any session is of class Milk",
        ),
        (
            "a video that is shorter",
            |set| {
                let pixels = ground(1).repeat((WIDTH * HEIGHT * (FRAMES - 1)) as usize);
                fs::write(set.join("hand-01/rim-left.mkv"), encoded(&pixels, WIDTH, HEIGHT)).unwrap();
            },
            "hand-01/rim-left.mkv: it has 39 frames, but session.json says 40",
        ),
        (
            "a video of another size",
            |set| {
                let pixels = ground(1).repeat((160 * 90 * FRAMES) as usize);
                fs::write(set.join("hand-01/rim-left.mkv"), encoded(&pixels, 160, 90)).unwrap();
            },
            "it is 160x90, but session.json says 320x180",
        ),
        (
            "a video that is none",
            |set| fs::write(set.join("hand-01/rim-left.mkv"), "no video".repeat(100)).unwrap(),
            "hand-01/rim-left.mkv: cannot decode it",
        ),
        (
            "a missing video",
            |set| fs::remove_file(set.join("hand-01/rim-right.mkv")).unwrap(),
            "hand-01/rim-right.mkv: the video of camera rim-right is missing",
        ),
        (
            "truth beyond the video",
            |set| edit(&set.join("hand-01/truth.jsonl"), "\"end\":3.9", "\"end\":4.9"),
            "hand-01/truth.jsonl:5: it ends at 4.9 s, but the videos end at 4 s",
        ),
        (
            "an id that is there twice",
            |set| edit(&set.join("hand-01/catalogue.json"), "\"222\"", "\"111\""),
            "the id 111 belongs to two items",
        ),
        (
            "a twin that leads nowhere",
            |set| edit(&set.join("hand-01/catalogue.json"), "\"twin_of\": \"111\"", "\"twin_of\": \"999\""),
            "item 222 is the twin of 999, which the catalogue does not have",
        ),
        (
            "catalogues that differ",
            |set| edit(&set.join("hand-02/catalogue.json"), "Cola blue", "Cola green"),
            "its catalogue is not that of",
        ),
        (
            "the same frames in two splits",
            |set| {
                let session = |name: &str| read_json(&set.join(name).join("session.json"));
                let (first, mut second) = (session("hand-01"), session("hand-02"));
                second["cameras"][0]["frames_sha256"] = first["cameras"][0]["frames_sha256"].clone();
                write_json(&set.join("hand-02/session.json"), &second);
            },
            "hand-01 (train) and hand-02 (val) share the same frames",
        ),
        (
            "two sessions of one name",
            |set| edit(&set.join("hand-02/session.json"), "hand-02", "hand-01"),
            "another session is named hand-01 too",
        ),
        (
            "a session that was not finished",
            |set| fs::remove_file(set.join("hand-02/session.json")).unwrap(),
            "hand-02: it has no session.json",
        ),
        (
            "a session that cannot be read",
            |set| edit(&set.join("hand-02/session.json"), "{", "{,"),
            "hand-02/session.json:1: ",
        ),
    ];
    planted(cases, sound, "--sessions");
}

fn data(format: &str) -> (Place, std::path::PathBuf) {
    let place = Place::new();
    let (set, out) = (place.three(), place.path("data"));
    let pictures: &[&str] = if format == "windows" { &[] } else { &["--size", "160x90"] };
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
            "no box is of class Milk",
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
            |d| edit(&d.join(ROWS), "\"features_version\":1", "\"features_version\":2"),
            "have version 2",
        ),
        (
            "another column",
            |d| edit(&d.join(ROWS), "\"name\":\"vx\"", "\"name\":\"speed\""),
            "the columns are not those",
        ),
        (
            "another label",
            |d| edit(&d.join(ROWS), "\"label\":\"added\"", "\"label\":\"moved\""),
            "\"moved\" is no label",
        ),
        (
            "a row less",
            |d| edit(&d.join(ROWS), "\"values\":[[", "\"values\":[[0.0],["),
            "it is not 32 rows of 12 values",
        ),
        (
            "not a number",
            |d| edit(&d.join(ROWS), "\"values\":[[0.0", "\"values\":[[NaN"),
            "train.jsonl:2: expected value",
        ),
        (
            "null",
            |d| edit(&d.join(ROWS), "\"values\":[[0.0", "\"values\":[[null"),
            "train.jsonl:2: invalid type: null",
        ),
        (
            "of another split",
            |d| edit(&d.join(ROWS), "\"session\":\"hand-01\"", "\"session\":\"hand-02\""),
            "session hand-02 is none of train",
        ),
        ("a class too many", |d| edit(&d.join(ROWS), "\"class\":0", "\"class\":7"), "there is no class 7"),
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

#[test]
fn of_many_faults_the_first_are_shown_and_all_are_counted() {
    let place = Place::new();
    let set = place.three();
    let file = set.join("hand-01/boxes.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"visibility\":", "\"visibility\":7")).unwrap();
    let (count, said) = faults(&["--sessions", set.to_str().unwrap(), "--show", "3"]);
    assert_eq!(said.len(), 3);
    assert!(count > 200, "{count}");
    let text = cartlab(&["check", "--sessions", set.to_str().unwrap(), "--show", "3"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains(&format!("… and {} more", count - 3)) && text.contains(&format!("{count} faults")),
        "{text}"
    );
}
