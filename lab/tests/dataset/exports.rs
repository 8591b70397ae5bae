//! Every form of data set, read back.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use crate::recorded::*;

/// Of a picture that was exported: camera and frame.
fn shot(name: &str) -> (usize, u32) {
    let stem = name.strip_suffix(".jpg").unwrap();
    let (rest, frame) = stem.rsplit_once('_').unwrap();
    let (_, camera) = rest.split_once('_').unwrap();
    (CAMERAS.iter().position(|known| *known == camera).unwrap(), frame.parse().unwrap())
}

/// The boxes that should be there at half size: class and bounds.
fn expected(camera: usize, frame: u32) -> Vec<(usize, [f64; 4])> {
    let kept = |(track, bounds, visibility, _): (u32, [u32; 4], f64, bool)| {
        let bounds = bounds.map(|side| f64::from(side) / 2.0);
        let good = visibility >= 0.1 && bounds[3] - bounds[1] >= 7.0;
        good.then(|| (class(track), bounds))
    };
    seen(camera, frame).into_iter().filter_map(kept).collect()
}

fn same(found: &[(usize, [f64; 4])], expected: &[(usize, [f64; 4])], slack: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: {found:?} {expected:?}");
    for (found, expected) in found.iter().zip(expected) {
        let near = found.1.iter().zip(expected.1).all(|(a, b)| (a - b).abs() <= slack);
        assert!(found.0 == expected.0 && near, "{what}: {found:?}, expected {expected:?}");
    }
}

/// The JPEG shows what its labels say: in the middle of each box that nothing covers is its thing's colour.
fn shows(image: &Path, camera: usize, frame: u32) {
    let picture = image::open(image).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (160, 90));
    let all = seen(camera, frame);
    for (at, (track, [x0, y0, x1, y1], ..)) in all.iter().enumerate() {
        let (x, y) = ((x0 + x1) / 2, (y0 + y1) / 2);
        let covered = all[at + 1..].iter().any(|(_, [l, t, r, b], ..)| {
            (l.saturating_sub(4)..r + 4).contains(&x) && (t.saturating_sub(4)..b + 4).contains(&y)
        });
        if !covered {
            let pixel = picture.get_pixel(x / 2, y / 2).0;
            let near = pixel.iter().zip(colour(*track)).all(|(a, b)| a.abs_diff(b) < 24);
            assert!(near, "{} track {track} at {x} {y}: {pixel:?}", image.display());
        }
    }
}

const PICTURES: [&str; 6] = ["--size", "160x90", "--every", "4", "--least-side", "7"];

fn export(place: &Place, set: &Path, format: &str, more: &[&str]) -> (Value, std::path::PathBuf) {
    let out = place.path(&format!("{format}-out"));
    let base =
        ["export", "--sessions", set.to_str().unwrap(), "--format", format, "--out", out.to_str().unwrap()];
    (good(&[&base, more].concat()), out)
}

#[test]
fn coco() {
    let place = Place::new();
    let (said, out) = export(&place, &place.three(), "coco", &PICTURES);
    for split in ["train", "val", "test"] {
        let document = read_json(&out.join(format!("annotations/instances_{split}.json")));
        let categories: Vec<_> =
            document["categories"].as_array().unwrap().iter().map(|c| (&c["id"], &c["name"])).collect();
        let all: Vec<_> = CLASSES.iter().enumerate().map(|(i, name)| (json!(i + 1), json!(name))).collect();
        assert!(categories.iter().map(|(a, b)| ((*a).clone(), (*b).clone())).eq(all), "{categories:?}");
        let images = document["images"].as_array().unwrap();
        let annotations = document["annotations"].as_array().unwrap();
        assert_eq!(images.len(), 20, "two cameras, every fourth of 40 frames");
        assert_eq!(said["splits"][split]["pictures"], 20);
        assert_eq!(said["splits"][split]["boxes"], annotations.len());
        let mut seen = BTreeMap::new();
        for image in images {
            assert_eq!((&image["width"], &image["height"]), (&json!(160), &json!(90)));
            let name = image["file_name"].as_str().unwrap();
            let (camera, frame) = shot(name);
            shows(&out.join("images").join(split).join(name), camera, frame);
            let of_image = annotations.iter().filter(|a| a["image_id"] == image["id"]);
            let found: Vec<_> = of_image
                .map(|a| {
                    let [x, y, w, h] = [0, 1, 2, 3].map(|i| a["bbox"][i].as_f64().unwrap());
                    assert_eq!((&a["iscrowd"], a["area"].as_f64().unwrap()), (&json!(0), w * h));
                    (a["category_id"].as_u64().unwrap() as usize - 1, [x, y, x + w, y + h])
                })
                .collect();
            same(&found, &expected(camera, frame), 0.011, name);
            seen.insert((camera, frame), found.len());
        }
        assert_eq!(seen.len(), 20, "every picture is another one");
        let left_out = said["splits"][split]["boxes left out"].as_u64().unwrap();
        assert!(left_out >= 20, "the phone is too small: {left_out}");
        let ids: std::collections::BTreeSet<_> = annotations.iter().map(|a| a["id"].as_u64()).collect();
        assert_eq!(ids.len(), annotations.len());
    }
    let checked = good(&["check", "--data", out.to_str().unwrap(), "--show", "5"]);
    assert_eq!((&checked["faults"], &checked["looked_at"]), (&json!(0), &json!(60)));
}

#[test]
fn yolo() {
    let place = Place::new();
    let set = place.three();
    let (_, out) = export(&place, &set, "yolo", &PICTURES);
    let yaml = fs::read_to_string(out.join("data.yaml")).unwrap();
    assert_eq!(
        yaml,
        "train: images/train\nval: images/val\ntest: images/test\nnc: 5\nnames:\n  0: \"Cola red\"\n  1: \"Cola blue\"\n  \
         2: \"Bread, \\\"dark\\\"\"\n  3: \"hand\"\n  4: \"unknown\"\n"
    );
    assert_eq!(fs::read_to_string(out.join("classes.txt")).unwrap().lines().collect::<Vec<_>>(), CLASSES);
    let mut pictures = 0;
    for split in ["train", "val", "test"] {
        for entry in fs::read_dir(out.join("labels").join(split)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.with_extension("jpg").file_name().unwrap().to_str().unwrap().to_owned();
            let (camera, frame) = shot(&name);
            shows(&out.join("images").join(split).join(&name), camera, frame);
            let text = fs::read_to_string(&path).unwrap();
            let found: Vec<_> = text
                .lines()
                .map(|line| {
                    let [class, x, y, w, h] =
                        line.split(' ').map(|word| word.parse::<f64>().unwrap()).collect::<Vec<_>>()[..]
                    else {
                        panic!("{line}")
                    };
                    let (x, w, y, h) = (x * 160.0, w * 160.0, y * 90.0, h * 90.0);
                    (class as usize, [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0])
                })
                .collect();
            same(&found, &expected(camera, frame), 0.001, &name);
            pictures += 1;
        }
    }
    assert_eq!(pictures, 60);
    assert_eq!(good(&["check", "--data", out.to_str().unwrap()])["faults"], 0);
    // One split, so many pictures of it, at the video's own size.
    let out = place.text("some");
    let said = good(&[
        "export",
        "--sessions",
        set.to_str().unwrap(),
        "--format",
        "yolo",
        "--split",
        "val",
        "--every",
        "1",
        "--limit",
        "45",
        "--out",
        &out,
    ]);
    assert_eq!(
        (said["splits"].as_object().unwrap().len(), &said["splits"]["val"]["pictures"]),
        (1, &json!(45))
    );
    let first = fs::read_dir(Path::new(&out).join("images/val")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(image::image_dimensions(first).unwrap(), (WIDTH, HEIGHT));
}

#[test]
fn the_same_sessions_give_the_same_bytes() {
    let place = Place::new();
    let set = place.set("set", &[sketch(1, Some("train"))]);
    let set = set.to_str().unwrap();
    for (format, more) in
        [("coco", &["--every", "10"][..]), ("yolo", &["--every", "10"]), ("windows", &[]), ("chat", &[])]
    {
        let outs = ["a", "b"].map(|run| place.text(&format!("{format}-{run}")));
        for out in &outs {
            good(&[&["export", "--sessions", set, "--format", format, "--out", out], more].concat());
        }
        let differ = std::process::Command::new("diff").arg("-r").args(&outs).output().unwrap();
        assert!(differ.status.success(), "{format}: {}", String::from_utf8_lossy(&differ.stdout));
    }
}

#[test]
fn windows() {
    let place = Place::new();
    let (said, out) =
        export(&place, &place.three(), "windows", &["--window", "10", "--stride", "2", "--last", "4"]);
    let lines = read_lines(&out.join("windows/train.jsonl"));
    let (header, windows) = lines.split_first().unwrap();
    assert_eq!((&header["format"], &header["window"]), (&json!("cartlab-windows"), &json!(10)));
    assert_eq!(
        (&header["features_version"], &header["labels"]),
        (&json!(1), &json!(["none", "added", "removed"]))
    );
    let columns: Vec<_> =
        header["features"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let column = |name: &str| columns.iter().position(|known| *known == name).unwrap();

    // The can comes to rest in frame 15 and the bread is gone in frame 30, for each camera.
    let mut labels: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for window in windows {
        let label = window["label"].as_str().unwrap();
        labels
            .entry(label)
            .or_default()
            .push((window["track"].as_u64().unwrap(), window["frame"].as_u64().unwrap()));
        let values = window["values"].as_array().unwrap();
        assert!(
            values.len() == 10 && values.iter().all(|row| row.as_array().unwrap().len() == columns.len())
        );
    }
    // First seen in frame 10 and every second one is due: 15 and 17 are the ends that have 15 among their last four.
    assert_eq!(labels["added"], [(1, 15), (1, 17), (1, 15), (1, 17)]);
    assert_eq!(labels["removed"], [(2, 31), (2, 33), (2, 31), (2, 33)]);
    for (label, found) in &labels {
        assert_eq!(said["splits"]["train"][label], found.len(), "{label}");
    }
    assert!(labels["none"].iter().all(|(track, _)| *track != u64::from(HAND)), "hands have no windows");

    // One window by hand: the left camera's can at frame 15, seen six times.
    let window =
        windows.iter().find(|w| w["track"] == COLA && w["frame"] == 15 && w["camera"] == "rim-left").unwrap();
    let value = |row: usize, name: &str| window["values"][row][column(name)].as_f64().unwrap();
    assert_eq!((window["class"].as_u64(), window["time"].as_f64()), (Some(0), Some(1.5)));
    let seen: Vec<_> = (0..10).map(|row| value(row, "seen")).collect();
    assert_eq!(seen, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    assert!(
        (0..4).all(|row| columns.iter().all(|name| value(row, name) == 0.0)),
        "nothing before it was seen"
    );
    let close = |row: usize, name: &str, expected: f64| {
        let found = value(row, name);
        assert!((found - expected).abs() < 2e-4, "{name} in row {row}: {found}, expected {expected}");
    };
    for (name, expected) in [
        ("x", 25.0 / 320.0),
        ("y", 85.0 / 180.0),
        ("width", 30.0 / 320.0),
        ("height", 50.0 / 180.0),
        ("vx", 0.0),
        ("score", 0.6),
        // The hand covers 30x10 of its 30x50.
        ("under_hand", 0.2),
        ("in_zone", 0.0),
    ] {
        close(4, name, expected);
    }
    close(5, "vx", 10.0 / 320.0 / 0.1);
    close(9, "x", 75.0 / 320.0);
    close(9, "in_zone", 1.0);
    close(9, "under_hand", 0.0);
    close(9, "score", 1.0);
    close(9, "vy", 0.0);

    // Long after it left, the bread is a gap; the last window is the last that holds a sighting.
    let mut bread = windows.iter().filter(|w| w["track"] == BREAD && w["camera"] == "rim-left");
    let last = bread.next_back().unwrap();
    assert_eq!(last["frame"], 38);
    let rows = last["values"].as_array().unwrap();
    let seen: f64 = rows.iter().map(|row| row[column("seen")].as_f64().unwrap()).sum();
    assert_eq!((seen, rows[9][column("gap_s")].as_f64().unwrap()), (1.0, 0.9));
    assert_eq!(good(&["check", "--data", out.to_str().unwrap()])["faults"], 0);
}

#[test]
fn chat() {
    let place = Place::new();
    let more = ["--pictures", "5", "--candidates", "3", "--size", "160x90", "--padding", "0.3"];
    let (said, out) = export(&place, &place.three(), "chat", &more);
    assert_eq!(said["splits"]["test"], json!({"conversations": 4, "null conversations": 2, "pictures": 28}));
    let lines = read_lines(&out.join("test.jsonl"));
    // Of six times five pictures, one of each camera is in two conversations.
    let mut answers = vec![];
    for line in &lines {
        let messages = line["messages"].as_array().unwrap();
        let roles: Vec<_> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant"]);
        assert!(messages[0]["content"].is_string());
        let parts = messages[1]["content"].as_array().unwrap();
        let (question, pictures) = parts.split_last().unwrap();
        assert_eq!((pictures.len(), question["type"].as_str()), (5, Some("text")));
        let question = question["text"].as_str().unwrap();
        for picture in pictures {
            assert_eq!(picture["type"], "image");
            let image = out.join(picture["image"].as_str().unwrap());
            let (camera, frame) = shot(image.file_name().unwrap().to_str().unwrap());
            shows(&image, camera, frame);
        }
        // All of a catalogue of three, and what is none of them.
        for id in ["111", "222", "333", "unknown"] {
            assert_eq!(question.matches(&format!("\n- {id}: ")).count(), 1, "{question}");
        }
        let answer: Value = serde_json::from_str(messages[2]["content"].as_str().unwrap()).unwrap();
        answers.push(answer);
    }
    // Seconds from the first picture: 0.9 s less 0.3 s of padding, and 2.4 s less it.
    let added = json!({"events": [{"kind": "added", "id": "111", "time": 0.9}]});
    let removed = json!({"events": [{"kind": "removed", "id": "333", "time": 0.9}]});
    let null = json!({"events": []});
    assert_eq!(answers, [&added, &removed, &null, &added, &removed, &null].map(Clone::clone));
    let times = lines[0]["messages"][1]["content"][5]["text"].as_str().unwrap();
    assert!(
        times.contains("at 0.00, 0.40, 0.90, 1.30, 1.70 s")
            || times.contains("at 0.00, 0.40, 0.80, 1.30, 1.70 s"),
        "{times}"
    );
    assert_eq!(good(&["check", "--data", out.to_str().unwrap()])["faults"], 0);

    // With two candidates the right one and its near-twin are offered.
    let (_, few) = {
        let out = place.path("few");
        let set = place.path("set");
        let said = good(&[
            "export",
            "--sessions",
            set.to_str().unwrap(),
            "--format",
            "chat",
            "--candidates",
            "2",
            "--split",
            "train",
            "--limit",
            "1",
            "--out",
            out.to_str().unwrap(),
        ]);
        (said, out)
    };
    let line = &read_lines(&few.join("train.jsonl"))[0];
    let question = line["messages"][1]["content"][8]["text"].as_str().unwrap();
    assert!(question.contains("- 111: Cola red (can)") && question.contains("- 222:"), "{question}");
    assert!(!question.contains("- 333:"), "{question}");
}
