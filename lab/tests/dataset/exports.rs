//! Every form of data set, read back.

use std::{collections::BTreeMap, fs, path::Path};

use cartvision_core::features::VERSION;
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
    let (_kept, questions) = Place::questions(&["hand-01"]);
    for (format, more) in [
        ("coco", &["--every", "10"][..]),
        ("yolo", &["--every", "10"]),
        ("windows", &["--questions", &questions]),
        ("chat", &[]),
    ] {
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
    let (_kept, questions) = Place::questions(&["hand-01", "hand-02", "hand-03"]);
    let (said, out) = export(&place, &place.three(), "windows", &["--questions", &questions]);
    let lines = read_lines(&out.join("windows/train.jsonl"));
    let (header, windows) = lines.split_first().unwrap();
    assert_eq!((&header["format"], &header["split"]), (&json!("cartlab-windows"), &json!("train")));
    assert_eq!(header["labels"], json!(["none", "added", "removed"]));
    let found: Vec<_> = windows
        .iter()
        .map(|w| (w["camera"].as_str().unwrap(), w["moment"].as_f64().unwrap(), w["label"].as_str().unwrap()))
        .collect();
    let expected: Vec<_> = ASKED
        .iter()
        .map(|(camera, _, _, moment, _, label)| (CAMERAS[*camera], *moment as f64 / 1e3, *label))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(said["splits"]["train"], json!({"added": 2, "none": 5, "removed": 1}));
    assert_eq!(good(&["check", "--data", out.to_str().unwrap()])["faults"], 0);
}

#[test]
fn questions_that_do_not_fit_are_told() {
    let place = Place::new();
    let set = place.set("set", &[sketch(1, Some("train"))]);
    let (kept, questions) = Place::questions(&["hand-01"]);
    let file = kept.path().join("hand-01.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    for (text, expected) in [
        (None, "hand-01.jsonl: cannot read it"),
        (Some(String::new()), "hand-01.jsonl:1: the file is empty"),
        (
            Some(whole.replace(&format!("\"features_version\":{VERSION}"), "\"features_version\":1")),
            "features of version 1",
        ),
        (
            Some(whole.replace("\"change\":\"added\"", "\"change\":\"moved\"")),
            "hand-01.jsonl:2: unknown variant",
        ),
    ] {
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let base =
            ["export", "--sessions", set.to_str().unwrap(), "--format", "windows", "--questions", &questions];
        let ran = cartlab(&[&base[..], &["--out", &place.text("out")]].concat());
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.contains("next: replay the same sessions"), "{said}");
        assert_eq!(place.names(), ["set"]);
    }
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
