//! Cards and contact sheets.

use std::{fs, path::Path};

use serde_json::json;

use crate::recorded::*;

/// The share of the sheet's pixels that are this colour, nearly.
fn share(sheet: &image::RgbImage, colour: [u8; 3]) -> f64 {
    let near = |pixel: &&image::Rgb<u8>| pixel.0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 30);
    sheet.pixels().filter(near).count() as f64 / f64::from(sheet.width() * sheet.height())
}

#[test]
fn of_recorded_sessions() {
    let place = Place::new();
    let (set, out) = (place.three(), place.path("card"));
    let said = good(&["card", "--sessions", set.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(said, read_json(&out.join("card.json")));
    let totals = &said["totals"];
    assert_eq!(
        (&totals["sessions"], &totals["frames"], &totals["episodes"]),
        (&json!(3), &json!(240), &json!(9))
    );
    assert_eq!(totals["changes"], json!({"added": 3, "removed": 3}));
    assert_eq!(totals["acts"], json!({"add": 3, "hand-in-out": 3, "remove": 3}));
    assert!((totals["null_share"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!((&totals["styles"], &totals["lights"]), (&json!({"fast": 3}), &json!({"noon": 3})));
    let of = |camera| (0..FRAMES).flat_map(move |frame| seen(camera, frame));
    let all: Vec<_> = of(0).chain(of(1)).collect();
    assert_eq!(said["boxes"]["boxes"], all.len() * 3);
    for (index, figures) in said["boxes"]["classes"].as_array().unwrap().iter().enumerate() {
        let count = all.iter().filter(|(track, ..)| class(*track) == index).count();
        assert_eq!((&figures["label"], &figures["boxes"]), (&json!(CLASSES[index]), &json!(count * 3)));
    }
    let bins = said["boxes"]["visibility"].as_array().unwrap();
    let low = all.iter().filter(|(_, _, visibility, _)| *visibility < 0.1).count();
    assert_eq!((bins.len(), &bins[0]["boxes"]), (10, &json!(low * 3)));

    let text = fs::read_to_string(out.join("card.md")).unwrap();
    for part in ["| train |", "6 changes (3 added, 3 removed)", "| hand-in-out | 3 |", "| Cola red | 111 |"] {
        assert!(text.contains(part), "{part} is in\n{text}");
    }
    let sheet = image::open(out.join("contact-sheet.jpg")).unwrap().into_rgb8();
    assert_eq!(sheet.dimensions(), (1600, 3 * 235), "twelve tiles, four in a row");
    assert!(share(&sheet, colour(BLUE)) > 0.02, "the blue can is on all of them");
}

#[test]
fn of_every_form_of_data_set() {
    let place = Place::new();
    let set = place.three();
    for (format, sheet) in [("coco", true), ("yolo", true), ("chat", true), ("windows", false)] {
        let (data, out) = (place.text(format), place.path(&format!("{format}-card")));
        let (_kept, questions) = Place::questions(&["hand-01", "hand-02", "hand-03"]);
        let more = if format == "windows" { vec!["--questions", &questions] } else { vec![] };
        let base = ["export", "--sessions", set.to_str().unwrap(), "--format", format, "--out", &data];
        good(&[&base[..], &more].concat());
        let said = good(&["card", "--data", &data, "--out", out.to_str().unwrap(), "--tiles", "6"]);
        assert_eq!((&said["kind"], &said["totals"]["sessions"]), (&json!(format), &json!(3)));
        assert_eq!(said["counts"], read_json(&Path::new(&data).join("dataset.json"))["counts"]);
        assert_eq!(out.join("contact-sheet.jpg").exists(), sheet, "{format}");
        assert_eq!(!said["boxes"].is_null(), matches!(format, "coco" | "yolo"));
        let boxes =
            ["train", "val", "test"].map(|split| said["counts"][split]["boxes"].as_u64().unwrap_or(0));
        assert_eq!(said["boxes"]["boxes"].as_u64().unwrap_or(0), boxes.iter().sum::<u64>());
    }
}
