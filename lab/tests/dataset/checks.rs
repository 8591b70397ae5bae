//! `check`: a sound set is sound, and every fault is found once it is planted.

mod data;

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
            "no box is of the class Milk",
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
