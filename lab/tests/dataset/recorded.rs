//! Small recorded sessions made by hand: two cameras, 4 s, flat rectangles for things, so that a box's pixels are known.

use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, LazyLock, Mutex},
};

use cartvision_core::features;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

pub const WIDTH: u32 = 320;
pub const HEIGHT: u32 = 180;
pub const FPS: u32 = 10;
pub const FRAMES: u32 = 40;
pub const CAMERAS: [&str; 2] = ["rim-left", "rim-right"];

/// The tracks: what they are, and the colour they have.
pub const COLA: u32 = 1;
pub const BREAD: u32 = 2;
pub const PHONE: u32 = 3;
pub const BLUE: u32 = 4;
pub const HAND: u32 = 9;

pub const CLASSES: [&str; 5] = ["Cola red", "Cola blue", "Bread, \"dark\"", "hand", "unknown"];

pub fn class(track: u32) -> usize {
    match track {
        COLA => 0,
        BLUE => 1,
        BREAD => 2,
        HAND => 3,
        _ => 4,
    }
}

fn id(track: u32) -> Option<&'static str> {
    [Some("111"), Some("222"), Some("333"), None, None][class(track)]
}

pub fn colour(track: u32) -> [u8; 3] {
    match track {
        COLA => [220, 30, 30],
        BLUE => [30, 30, 220],
        BREAD => [160, 110, 40],
        HAND => [240, 200, 170],
        _ => [20, 200, 20],
    }
}

/// Which tracks are in a frame, back to front, with box, visibility and whether they are held. The second camera sees
/// everything 20 pixels further down.
pub fn seen(camera: usize, frame: u32) -> Vec<(u32, [u32; 4], f64, bool)> {
    let mut seen = vec![(BLUE, [200, 40, 240, 100], 1.0, false)];
    // Rests, and is taken out over the lower edge from 2.5 s to 3.0 s.
    if frame < 25 {
        seen.push((BREAD, [120, 60, 180, 100], 0.8, false));
    } else if frame < 30 {
        let down = (frame - 24) * 8;
        seen.push((BREAD, [120, 60 + down, 180, 100 + down], 0.8, true));
        seen.push((HAND, [140, 90 + down, 170, (130 + down).min(160)], 1.0, true));
    }
    // Comes in from the left from 1.0 s to 1.5 s, in a hand.
    if (10..15).contains(&frame) {
        let x = 10 + (frame - 10) * 10;
        seen.push((HAND, [x.saturating_sub(10), 50, x + 30, 70], 0.9, true));
        seen.push((COLA, [x, 60, x + 30, 110], 0.6, true));
    } else if frame >= 15 {
        seen.push((COLA, [60, 60, 90, 110], 1.0, false));
    }
    // A hand in and out, 3.5 s to 3.7 s.
    if (35..38).contains(&frame) {
        seen.push((HAND, [250, 10, 300, 40], 1.0, false));
    }
    // Lies in a corner; hardly visible in the last second.
    seen.push((PHONE, [4, 130, 24, 142], if frame < 30 { 0.9 } else { 0.05 }, false));
    let down = camera as u32 * 20;
    seen.into_iter()
        .map(|(track, [x0, y0, x1, y1], v, held)| {
            (track, [x0, y0 + down, x1, (y1 + down).min(HEIGHT)], v, held)
        })
        .collect()
}

/// A session that is to be made.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub name: String,
    pub split: Option<&'static str>,
    pub seed: u64,
    pub shopper: String,
    pub variant: u32,
}

/// One whose every trait is of its own.
pub fn sketch(number: u32, split: Option<&'static str>) -> Sketch {
    Sketch {
        name: format!("hand-{number:02}"),
        split,
        seed: u64::from(number),
        shopper: format!("fast-{number}"),
        variant: number,
    }
}

/// A place for sets and what is made of them.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A set of these sessions.
    pub fn set(&self, name: &str, sketches: &[Sketch]) -> PathBuf {
        let set = self.path(name);
        sketches.iter().for_each(|sketch| record(&set.join(&sketch.name), sketch));
        set
    }

    /// A set with one session for each split.
    pub fn three(&self) -> PathBuf {
        self.set("set", &[sketch(1, Some("train")), sketch(2, Some("val")), sketch(3, Some("test"))])
    }

    /// What a core might have asked in these sessions, in a place of its own: a directory for `--questions`.
    pub fn questions(sessions: &[&str]) -> (TempDir, String) {
        let place = tempdir().unwrap();
        for session in sessions {
            fs::write(place.path().join(format!("{session}.jsonl")), asked()).unwrap();
        }
        let text = place.path().to_str().unwrap().to_owned();
        (place, text)
    }

    /// What is in the place, without what the tests have put there.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub fn write_json(path: &Path, value: &Value) {
    fs::write(path, serde_json::to_vec_pretty(value).unwrap()).unwrap();
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

pub fn read_lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One question after the other: camera, about which track's boxes, change, moment and when it was asked
/// (milliseconds), and what the truth says.
pub const ASKED: [(usize, u32, &str, u64, u64, &str); 8] = [
    (0, COLA, "added", 1500, 2100, "added"),
    // Another camera tells of the same change, and the first one once more.
    (1, COLA, "added", 1600, 2200, "added"),
    (0, COLA, "added", 1700, 2300, "none"),
    // Too early, of another thing, of the other kind.
    (0, BREAD, "removed", 2000, 2400, "none"),
    (0, BLUE, "removed", 2900, 3400, "none"),
    (0, BREAD, "added", 2900, 3400, "none"),
    (0, BREAD, "removed", 2900, 3400, "removed"),
    // Decided too late.
    (1, BREAD, "removed", 2900, 5100, "none"),
];

fn asked() -> String {
    let names = |columns: &[features::Column]| columns.iter().map(|c| c.name).collect::<Vec<_>>();
    let header = json!({"format": "cartvision-questions", "features_version": features::VERSION,
        "rows": names(&features::ROW_COLUMNS), "asked": names(&features::ASKED_COLUMNS), "window": features::WINDOW});
    let question = |(camera, track, change, moment_ms, asked_ms, _): (usize, u32, &str, u64, u64, &str)| {
        let boxes = (0..FRAMES).filter(|frame| u64::from(*frame) * 100 <= moment_ms).filter_map(|frame| {
            let of_track = |(of, bounds, ..): (u32, [u32; 4], f64, bool)| (of == track).then_some(bounds);
            let [x0, y0, x1, y1] = seen(camera, frame).into_iter().find_map(of_track)?.map(f64::from);
            let (w, h) = (f64::from(WIDTH), f64::from(HEIGHT));
            Some(json!([frame * 100, x0 / w, y0 / h, x1 / w, y1 / h]))
        });
        let mut boxes: Vec<_> = boxes.collect();
        boxes.drain(..boxes.len().saturating_sub(10));
        json!({"camera": CAMERAS[camera], "track": track, "change": change, "moment_ms": moment_ms,
            "asked_ms": asked_ms, "item": id(track), "analytic": 0.9, "answer": 0.9, "seen": boxes,
            "window": vec![vec![0.5; features::ROW]; features::WINDOW], "asked": vec![0.25; features::ASKED]})
    };
    let lines = ASKED.into_iter().map(question);
    std::iter::once(header).chain(lines).map(|line| format!("{line}\n")).collect()
}

/// Writes a session.
fn record(directory: &Path, sketch: &Sketch) {
    fs::create_dir_all(directory).unwrap();
    let Sketch { name, split, seed, shopper, variant } = sketch;
    let digest = |camera: usize| format!("{:064x}", u64::from(*variant) * 1000 + seed * 10 + camera as u64);
    let camera = |index: usize| {
        json!({"name": CAMERAS[index], "file": format!("{}.mkv", CAMERAS[index]), "frames": FRAMES,
            "frames_sha256": digest(index),
            "calibration": {"fx": 300, "fy": 300, "cx": 160, "cy": 90, "k1": 0, "k2": 0,
                "rotation": [1, 0, 0, 0, 1, 0, 0, 0, 1], "position": [0, 0, 1]}})
    };
    let instance = |track: u32| json!({"track": track, "id": id(track), "label": CLASSES[class(track)], "variant": variant});
    write_json(
        &directory.join("session.json"),
        &json!({"format": 1, "name": name, "generator": "hand 1", "seed": seed, "difficulty": "easy", "style": "fast",
            "shopper": shopper, "light": "noon", "split": split, "duration": f64::from(FRAMES) / f64::from(FPS),
            "fps": FPS, "width": WIDTH, "height": HEIGHT, "cameras": [camera(0), camera(1)],
            "instances": [instance(COLA), instance(BREAD), instance(PHONE), instance(BLUE)]}),
    );
    let item = |track: u32, shape: &str, twin: Option<&str>| json!({"id": id(track), "label": CLASSES[class(track)], "shape": shape, "size_mm": [66, 66, 115], "twin_of": twin});
    write_json(
        &directory.join("catalogue.json"),
        &json!({"items": [item(COLA, "can", None), item(BLUE, "can", Some("111")), item(BREAD, "box", None)]}),
    );
    let truth = [
        json!({"kind": "episode", "episode": 0, "start": 0.9, "end": 2.0, "acts": ["add"], "changes": 1}),
        json!({"kind": "added", "id": "111", "label": "Cola red", "start": 1.0, "end": 1.5, "track": COLA, "episode": 0}),
        json!({"kind": "episode", "episode": 1, "start": 2.4, "end": 3.2, "acts": ["remove"], "changes": 1}),
        json!({"kind": "removed", "id": "333", "label": "Bread", "start": 2.5, "end": 3.0, "track": BREAD, "episode": 1}),
        json!({"kind": "episode", "episode": 2, "start": 3.4, "end": 3.9, "acts": ["hand-in-out"], "changes": 0}),
    ];
    let lines = |values: &[Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>();
    fs::write(directory.join("truth.jsonl"), lines(&truth)).unwrap();
    let mut boxes = vec![];
    for frame in 0..FRAMES {
        for (index, camera) in CAMERAS.iter().enumerate() {
            let of = |(track, bounds, visibility, held)| {
                let role = ["item", "item", "item", "hand", "unknown"][class(track)];
                json!({"track": track, "role": role, "id": id(track), "label": CLASSES[class(track)], "box": bounds,
                    "visibility": visibility, "held": held})
            };
            let seen: Vec<_> = seen(index, frame).into_iter().map(of).collect();
            let time = f64::from(frame) / f64::from(FPS);
            boxes.push(json!({"camera": camera, "frame": frame, "time": time, "boxes": seen}));
        }
    }
    fs::write(directory.join("boxes.jsonl"), lines(&boxes)).unwrap();
    let zones = "[zones]\nrim-left = [[0.15, 0.0], [1.0, 0.0], [1.0, 0.9], [0.15, 0.9]]\n";
    fs::write(directory.join("zones.toml"), zones).unwrap();
    for (index, camera) in CAMERAS.iter().enumerate() {
        fs::write(directory.join(format!("{camera}.mkv")), &*video(*seed, index)).unwrap();
    }
}

/// A camera's video. The ground differs with the seed, so that no two sessions have the same pictures.
fn video(seed: u64, camera: usize) -> Arc<Vec<u8>> {
    type Videos = HashMap<(u64, usize), Arc<Vec<u8>>>;
    static MADE: LazyLock<Mutex<Videos>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap();
    made.entry((seed, camera))
        .or_insert_with(|| {
            let frames: Vec<u8> = (0..FRAMES).flat_map(|frame| picture(seed, camera, frame)).collect();
            Arc::new(encoded(&frames, WIDTH, HEIGHT))
        })
        .clone()
}

pub fn ground(seed: u64) -> [u8; 3] {
    [60 + (seed % 8) as u8 * 20, 90, 90]
}

fn picture(seed: u64, camera: usize, frame: u32) -> Vec<u8> {
    let mut pixels = ground(seed).repeat((WIDTH * HEIGHT) as usize);
    for (track, [x0, y0, x1, y1], ..) in seen(camera, frame) {
        for y in y0..y1 {
            for x in x0..x1 {
                let at = ((y * WIDTH + x) * 3) as usize;
                pixels[at..at + 3].copy_from_slice(&colour(track));
            }
        }
    }
    pixels
}

/// RGB frames as FFV1 in Matroska, which loses nothing but colour's finest steps.
pub fn encoded(frames: &[u8], width: u32, height: u32) -> Vec<u8> {
    let place = tempdir().unwrap();
    let file = place.path().join("video.mkv");
    let graph = format!(
        "fdsrc fd=0 ! rawvideoparse format=rgb width={width} height={height} framerate={FPS}/1 ! videoconvert ! \
         video/x-raw,format=Y444 ! avenc_ffv1 ! matroskamux ! filesink location={}",
        file.display()
    );
    let mut launched = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(graph.split_whitespace())
        .stdin(Stdio::piped())
        .spawn()
        .expect("gst-launch-1.0 runs");
    launched.stdin.take().unwrap().write_all(frames).unwrap();
    assert!(launched.wait().unwrap().success(), "{graph}");
    fs::read(file).unwrap()
}

pub fn cartlab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cartlab")).arg("dataset").args(arguments).output().unwrap()
}

/// Runs it, expects success, and gives what it says with `--json`.
pub fn good(arguments: &[&str]) -> Value {
    let ran = cartlab(&[arguments, &["--json"]].concat());
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {}{}", said(&ran.stdout), said(&ran.stderr));
    assert!(ran.stderr.is_empty(), "nothing but results where there is no terminal: {}", said(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}
