//! What is refused, with which exit code, and that nothing half made stays.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::recorded::*;

fn edit(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(old), "{old:?} is in {}", file.display());
    fs::write(file, text.replace(old, new)).unwrap();
}

#[test]
fn bad_input_is_refused_with_its_place() {
    type Spoil = fn(&Path);
    // What is done to a sound set, what else is asked for, the exit code, and what is said.
    let cases: &[(&str, Spoil, &[&str], i32, &str)] = &[
        ("no set", |set| fs::remove_dir_all(set).unwrap(), &[], 2, "No such file"),
        (
            "an empty set",
            |set| {
                fs::remove_dir_all(set).unwrap();
                fs::create_dir(set).unwrap();
            },
            &[],
            2,
            "holds no complete session",
        ),
        (
            "an unknown item in the truth",
            |set| edit(&set.join("hand-01/truth.jsonl"), "\"id\":\"111\"", "\"id\":\"999\""),
            &[],
            2,
            "truth.jsonl:2: the catalogue has no item 999",
        ),
        (
            "an unknown item in the boxes",
            |set| edit(&set.join("hand-02/boxes.jsonl"), "\"id\":\"111\"", "\"id\":\"999\""),
            &[],
            3,
            "hand-02/boxes.jsonl:21: track 1 (Cola red): the catalogue has no item 999",
        ),
        (
            "a missing camera",
            |set| fs::remove_file(set.join("hand-01/rim-right.mkv")).unwrap(),
            &[],
            2,
            "rim-right.mkv: the video of camera rim-right is missing",
        ),
        (
            "cameras of different length",
            |set| edit(&set.join("hand-01/session.json"), "\"frames\": 40", "\"frames\": 44"),
            &[],
            2,
            "44 frames are not 4 s at 10 frames a second (40)",
        ),
        (
            "a video that is shorter than it should be",
            |set| {
                let pixels = ground(1).repeat((WIDTH * HEIGHT * 30) as usize);
                fs::write(set.join("hand-01/rim-left.mkv"), encoded(&pixels, WIDTH, HEIGHT)).unwrap();
            },
            &[],
            3,
            "hand-01/rim-left.mkv: it has 30 frames, but session.json says 40",
        ),
        (
            "a video that is none",
            |set| fs::write(set.join("hand-01/rim-left.mkv"), "no video".repeat(99)).unwrap(),
            &[],
            3,
            "hand-01/rim-left.mkv: cannot decode it",
        ),
        (
            "other catalogues",
            |set| edit(&set.join("hand-02/catalogue.json"), "Cola blue", "Cola green"),
            &[],
            2,
            "have different catalogues: item 2 is 222 (Cola blue) and 222 (Cola green)",
        ),
        (
            "a split without sessions",
            |set| fs::remove_dir_all(set.join("hand-02")).unwrap(),
            &["--split", "val"],
            2,
            "no session belongs to the split val",
        ),
        ("an option of another form", |_| {}, &["--pictures", "4"], 2, "--pictures is not for --format yolo"),
        ("no size", |_| {}, &["--size", "0x90"], 2, "write it like 320x192"),
        ("nothing to make", |_| {}, &["--limit", "0"], 1, "the sessions hold nothing for --format yolo"),
    ];
    let mut wrong = vec![];
    for (name, spoil, more, code, expected) in cases {
        let place = Place::new();
        let set = place.three();
        spoil(&set);
        let out = place.text("out");
        let base = ["export", "--sessions", set.to_str().unwrap(), "--format", "yolo", "--out", &out];
        let ran = cartlab(&[&base, *more].concat());
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let told = said.contains(expected) && (said.contains("\nnext: ") || said.contains("--help"));
        if ran.status.code() != Some(*code) || !told || !ran.stdout.is_empty() {
            wrong.push(format!("{name}: {:?}, {said}expected {code} and {expected:?}", ran.status.code()));
        }
        if place.names().iter().any(|name| name != "set") {
            wrong.push(format!("{name}: left behind {:?}", place.names()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_place_that_is_taken_is_left_as_it_is() {
    let place = Place::new();
    let set = place.three();
    let set = set.to_str().unwrap();
    fs::write(place.path("file"), "mine").unwrap();
    fs::create_dir(place.path("full")).unwrap();
    fs::write(place.path("full/file"), "mine").unwrap();
    fs::create_dir(place.path("busy.part")).unwrap();
    for (out, said) in
        [("file", "it is a file"), ("full", "it is not empty"), ("busy", "busy.part: another run is at it")]
    {
        for command in [&["export", "--format", "chat"][..], &["card"]] {
            let ran = cartlab(&[command, &["--sessions", set, "--out", &place.text(out)]].concat());
            let text = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.code(), Some(2), "{text}");
            assert!(text.contains(said), "{text}");
        }
    }
    assert_eq!(fs::read_to_string(place.path("file")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(place.path("full/file")).unwrap(), "mine");
    assert_eq!(place.names(), ["busy.part", "file", "full", "set"]);
    // An empty directory may be used.
    fs::create_dir(place.path("empty")).unwrap();
    good(&["export", "--format", "chat", "--sessions", set, "--out", &place.text("empty")]);
}

#[test]
fn data_that_is_not_ours_is_refused() {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    for (content, expected) in [
        (None, "it is no data set: its dataset.json cannot be read"),
        (Some("{}"), "dataset.json: missing field"),
        (Some("nothing"), "dataset.json: expected"),
    ] {
        if let Some(content) = content {
            fs::write(place.path("data/dataset.json"), content).unwrap();
        }
        for command in [&["check"][..], &["card", "--out", &place.text("card")]] {
            let ran = cartlab(&[command, &["--data", &place.text("data")]].concat());
            let text = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.code(), Some(2), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }
    assert_eq!(place.names(), ["data"]);
}

/// A file may only grow so far, as on a disk that is full: writing fails in the middle.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let place = Place::new();
    let set = place.three();
    // A picture of the sheet is larger than 8 KiB, and so are the documents.
    for (command, format) in [("export", "coco"), ("export", "windows"), ("card", "")] {
        let mut arguments = vec!["dataset", command, "--sessions", set.to_str().unwrap()];
        let out = place.text("out");
        arguments.extend(["--out", &out]);
        let (_kept, questions) = Place::questions(&["hand-01", "hand-02", "hand-03"]);
        if format == "windows" {
            arguments.extend(["--questions", &questions]);
        }
        if !format.is_empty() {
            arguments.extend(["--format", format]);
        }
        let ran = Command::new("bash")
            // In blocks of 1024 bytes. The signal is ignored, so that the write fails.
            .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_cartlab")])
            .args(&arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(3), "{said}");
        assert!(said.contains("cannot write") && said.contains("next: free space"), "{said}");
        assert_eq!(place.names(), ["set"], "{command} {format}");
    }
}

#[test]
fn an_interrupted_export_leaves_nothing_behind() {
    let place = Place::new();
    // Long enough to be caught in the middle.
    let set = place.set("set", &[0, 1, 2, 3, 4, 5, 6, 7].map(|number| sketch(number, Some("train"))));
    let out = place.text("out");
    let mut export = Command::new(env!("CARGO_BIN_EXE_cartlab"))
        .args(["dataset", "export", "--format", "yolo", "--every", "1", "--size", "2560x1440"])
        .args(["--sessions", set.to_str().unwrap(), "--out", &out])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let images = place.path("out.part/images/train");
    let patience = Instant::now() + Duration::from_secs(60);
    while fs::read_dir(&images).map_or(0, Iterator::count) < 2 {
        assert!(Instant::now() < patience && export.try_wait().unwrap().is_none(), "it writes pictures");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&export), Signal::INT).unwrap();
    let ended = export.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("interrupted; what was half made is removed"), "{said}");
    assert_eq!(place.names(), ["set"]);
}

#[test]
fn help_has_an_example() {
    for command in [&[][..], &["split"], &["export"], &["check"], &["card"]] {
        let ran = cartlab(&[command, &["--help"]].concat());
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(ran.status.code(), Some(0));
        assert!(text.contains("Example") && text.contains("cartlab dataset "), "{text}");
    }
}
