//! Every family, loaded into ONNX Runtime and run; and every way in which a model is not what its bundle says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use cartvision_core::{BBox, Detections, PixelFormat, Role};
use cartvision_engines::{Detector, EngineError, Manifest, Runtime, Variant};
use tempfile::tempdir;

mod support;
use support::{END2END, END2END_BYTES, Plain, YOLO, YOLO_RGBX, YOLOX, bundle, data, manifest, real};

fn load(model: &Path, manifest: Manifest) -> Result<Detector, EngineError> {
    let place = tempdir().unwrap();
    let bundle = bundle(place.path(), model, manifest);
    Detector::load(&Runtime::open().unwrap(), &bundle, 1)
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-4
}

/// The first box's score is the mean of the input's first channel: (picture × share + padding × rest) / 255.
#[test]
fn families_see_the_picture_and_report_its_boxes() {
    // 64×32 lies centred in 64×64 with 16 rows of padding above and below, so that rows 16 to 48 are the picture.
    let whole = |x0, x1| BBox { x0, y0: 0.0, x1, y1: 1.0 };
    // At the top instead, the box from row 16 to 48 covers the picture's lower half.
    let lower = |x0, x1| BBox { x0, y0: 0.5, x1, y1: 1.0 };
    let padded = |byte: f32| (byte + 114.0) / 2.0 / 255.0;
    struct Case {
        model: &'static str,
        detector: &'static str,
        format: PixelFormat,
        /// Mean of the first channel for red 200, green 20, blue 100.
        first: f32,
        boxes: [BBox; 2],
        /// Whether the weaker of two boxes on one thing is there: an end2end model suppresses by itself.
        double: bool,
    }
    let (left, right) = (whole(0.125, 0.375), whole(0.625, 0.875));
    let cases = [
        (PixelFormat::Rgb, "yolo.onnx", YOLO, padded(200.0), [left, right], false),
        (PixelFormat::Rgbx, "yolo.onnx", YOLO, padded(200.0), [left, right], false),
        (PixelFormat::Rgbx, "yolo_open_size.onnx", YOLO, padded(200.0), [left, right], false),
        (PixelFormat::Rgbx, "yolo_rgbx.onnx", YOLO_RGBX, padded(200.0), [left, right], false),
        (PixelFormat::Rgb, "yolo_rgbx.onnx", YOLO_RGBX, padded(200.0), [left, right], false),
        (PixelFormat::Rgb, "end2end.onnx", END2END, padded(100.0), [left, right], true),
        (
            PixelFormat::Rgb,
            "end2end_bytes_varying.onnx",
            END2END_BYTES,
            padded(200.0),
            [lower(0.125, 0.375), lower(0.625, 0.875)],
            true,
        ),
    ]
    .map(|(format, model, detector, first, boxes, double)| Case {
        model,
        detector,
        format,
        first,
        boxes,
        double,
    });

    let mut failures = Vec::new();
    for case in cases {
        let mut detector = load(&data(case.model), manifest(case.detector, &["hand", "item"])).unwrap();
        let plain = Plain::new(64, 32, case.format, [200, 20, 100]);
        let mut seen = Detections::new();
        // Twice: buffers are reused.
        for _ in 0..2 {
            detector.detect(plain.picture(), &mut seen).unwrap();
        }
        let mut sorted: Vec<_> = seen.iter().map(|d| (d.role, d.score, d.bbox)).collect();
        let mut expected = vec![(Role::Item, 0.9, case.boxes[1]), (Role::Hand, case.first, case.boxes[0])];
        if case.double {
            let BBox { x0, x1, y0, y1 } = case.boxes[1];
            let shifted = BBox { x0: x0 + 1.0 / 64.0, x1: x1 + 1.0 / 64.0, y0, y1 };
            expected.push((Role::Item, 0.6, shifted));
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        let same = sorted.len() == expected.len()
            && sorted.drain(..).zip(&expected).all(|(a, b)| {
                let corners = |x: &BBox| [x.x0, x.y0, x.x1, x.y1];
                a.0 == b.0
                    && close(a.1, b.1)
                    && corners(&a.2).iter().zip(corners(&b.2)).all(|(a, b)| close(*a, b))
            });
        if !same {
            failures.push(format!("{} {:?}: {seen:?}\n  expected {expected:?}", case.model, case.format));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// After a picture of another shape nothing of the former one is left in the padding.
#[test]
fn padding_is_renewed_when_the_fitted_size_changes() {
    let models = [("yolo.onnx", YOLO, PixelFormat::Rgb), ("yolo_rgbx.onnx", YOLO_RGBX, PixelFormat::Rgbx)];
    for (model, text, format) in models {
        padding_of(load(&data(model), manifest(text, &["item", "ignore"])).unwrap(), format);
    }
}

fn padding_of(mut detector: Detector, format: PixelFormat) {
    let mut seen = Detections::new();
    for (width, height) in [(64, 64), (64, 16), (8, 64), (64, 33), (64, 1)] {
        let white = Plain::new(width, height, format, [255; 3]);
        detector.detect(white.picture(), &mut seen).unwrap();
        let share = (width * height) as f32 / 4096.0;
        let mean = share + (1.0 - share) * 114.0 / 255.0;
        // The first box lies left of the narrow picture, so nothing is reported there.
        let expected = if width == 8 { None } else { Some(mean) };
        assert_eq!(seen.len(), usize::from(expected.is_some()), "{width}×{height}: {seen:?}");
        if let Some(expected) = expected {
            assert!(close(seen[0].score, expected), "{width}×{height}: {seen:?}, expected {expected}");
        }
    }
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let mut detector = load(&data("yolo.onnx"), manifest(YOLO, &["item", "item"])).unwrap();
    let mut seen = Detections::new();
    let good = Plain::new(64, 32, PixelFormat::Rgb, [9; 3]);
    let p = good.picture();
    let cases = [
        ("not scaled", cartvision_core::Picture { width: 32, height: 16, ..p }, "scale"),
        ("too wide", cartvision_core::Picture { width: 65, ..p }, "64×31"),
        ("empty", cartvision_core::Picture { width: 0, height: 64, ..p }, "0×64"),
        ("too little data", cartvision_core::Picture { data: &p.data[1..], ..p }, "bytes"),
        ("stride below the row", cartvision_core::Picture { stride: 191, ..p }, "bytes"),
        ("stride beyond all", cartvision_core::Picture { stride: usize::MAX, ..p }, "bytes"),
    ];
    for (name, picture, word) in cases {
        let error = detector.detect(picture, &mut seen).expect_err(name);
        assert!(
            matches!(error, EngineError::Picture(_)) && error.to_string().contains(word),
            "{name}: {error}"
        );
    }
    detector.detect(p, &mut seen).unwrap();
    assert!(!seen.is_empty());
}

#[test]
fn models_that_are_not_what_the_bundle_says_are_refused_with_what_differs() {
    let place = tempdir().unwrap();
    let text = place.path().join("text.onnx");
    std::fs::write(&text, "this is no model\n").unwrap();
    let empty = place.path().join("empty.onnx");
    std::fs::write(&empty, "").unwrap();
    let cut = place.path().join("cut.onnx");
    let whole = std::fs::read(data("yolo.onnx")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();

    let two = ["item", "hand"];
    let cases = [
        ("text", text, manifest(YOLO, &two), "cannot load"),
        ("empty file", empty, manifest(YOLO, &two), "cannot load"),
        ("half a model", cut, manifest(YOLO, &two), "cannot load"),
        ("numbers in", data("ten_numbers.onnx"), manifest(YOLO, &two), "\"x\" (1×10, f32)"),
        ("a classifier", data("picture_classifier.onnx"), manifest(YOLO, &two), "1×3×1×1"),
        (
            "one class too few",
            data("yolo.onnx"),
            manifest(YOLO, &["item"]),
            "2 classes apart, but the class list has 1",
        ),
        ("one class too many", data("yolo.onnx"), manifest(YOLO, &["item"; 3]), "class list has 3"),
        ("another family", data("end2end.onnx"), manifest(YOLO, &two), "1×4×6"),
        ("another size", data("yolo.onnx"), manifest(&YOLO.replace("64", "96"), &two), "1×3×96×96"),
        ("another layout", data("yolo.onnx"), manifest(&YOLO.replace("nchw", "nhwc"), &two), "1×64×64×3"),
        ("another type", data("end2end_bytes_varying.onnx"), manifest(END2END, &two), "u8"),
        ("three channels of four", data("yolo_rgbx.onnx"), manifest(END2END_BYTES, &two), "1×64×64×4, u8"),
        (
            "four channels of three",
            data("end2end_bytes_varying.onnx"),
            manifest(YOLO_RGBX, &two),
            "1×64×64×4",
        ),
        ("another name", data("yolo.onnx"), manifest(&format!("input='x'\n{YOLO}"), &two), "\"x\""),
    ];
    let mut failures = Vec::new();
    for (name, model, manifest, words) in cases {
        match load(&model, manifest) {
            Ok(_) => failures.push(format!("{name}: accepted")),
            Err(e) if e.is_environment() => failures.push(format!("{name}: blamed on the machine: {e}")),
            Err(e) if !e.to_string().contains(words) || !e.to_string().contains(".onnx") => {
                failures.push(format!("{name}: {e}"));
            }
            Err(_) => {}
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_class_past_the_list_is_an_error_where_only_the_run_tells() {
    let mut detector = load(&data("end2end.onnx"), manifest(END2END, &["item"])).unwrap();
    let picture = Plain::new(64, 32, PixelFormat::Rgb, [9; 3]);
    let mut seen = Detections::new();
    let error = detector.detect(picture.picture(), &mut seen).unwrap_err();
    assert!(error.to_string().contains("reports class 1, but the class list has only 1"), "{error}");
    assert!(seen.is_empty());
}

#[test]
fn variants_are_chosen_for_the_cpu_or_by_name() {
    let place = tempdir().unwrap();
    let bundle = bundle(place.path(), &data("yolo.onnx"), manifest(YOLO, &["item", "hand"]));
    let runtime = Runtime::open().unwrap();
    assert_eq!(Detector::load(&runtime, &bundle, 1).unwrap().variant(), Variant::OnnxFp32);
    let error = Detector::load_variant(&runtime, &bundle, Variant::OnnxInt8U8, 1).unwrap_err();
    assert_eq!(error.to_string(), "bundle tiny@1.0.0 has no variant onnx-int8-u8; it has: onnx-fp32");
}

#[test]
fn a_file_that_changes_after_the_check_is_refused_at_load() {
    let place = tempdir().unwrap();
    let bundle = bundle(place.path(), &data("yolo.onnx"), manifest(YOLO, &["item", "hand"]));
    std::fs::copy(data("yolo_open_size.onnx"), place.path().join("model.onnx")).unwrap();
    let error = Detector::load(&Runtime::open().unwrap(), &bundle, 1).unwrap_err();
    assert!(error.to_string().contains("model.onnx: altered"), "{error}");
}

#[test]
fn the_real_model_loads_sees_nothing_in_grey_and_knows_its_classes() {
    let Some((model, labels)) = real() else { return };
    let roles = vec!["item"; labels.len()];
    let mut detector = load(&model, manifest(YOLOX, &roles)).unwrap();
    let grey = Plain::new(416, 234, PixelFormat::Rgbx, [114; 3]);
    let mut seen = Detections::new();
    detector.detect(grey.picture(), &mut seen).unwrap();
    assert!(seen.is_empty(), "{seen:?}");
    let error = load(&model, manifest(YOLOX, &roles[1..])).unwrap_err().to_string();
    assert!(error.contains("80 classes apart, but the class list has 79"), "{error}");
    let error = load(&model, manifest(&YOLOX.replace("yolox", "yolo"), &roles)).unwrap_err().to_string();
    assert!(error.contains("1×3549×85") && error.contains("1×84×N"), "{error}");
}
