//! After they are loaded, neither a detector nor a temporal classifier costs a heap allocation on our side. (ONNX Runtime's own are its C++ heap's.)
#![allow(clippy::unwrap_used)]

use allocation_counter::measure;
use cartvision_core::features::{ASKED, ROW, VERSION, WINDOW};
use cartvision_core::{Detections, PixelFormat};
use cartvision_engines::{
    Detector, Runtime, TemporalClassifier,
    detector::{Decoder, Letterbox, MAX_CANDIDATES},
};
use tempfile::tempdir;

mod support;
use support::{END2END, Plain, YOLO, YOLO_RGBX, YOLOX, bundle, data, manifest, real, temporal_bundle};

#[test]
fn a_picture_costs_no_allocation() {
    let roles = ["item", "hand"];
    let mut cases = vec![
        (data("yolo.onnx"), manifest(YOLO, &roles), 64),
        (data("yolo_rgbx.onnx"), manifest(YOLO_RGBX, &roles), 64),
        (data("end2end.onnx"), manifest(END2END, &roles), 64),
    ];
    if let Some((model, labels)) = real() {
        cases.push((model, manifest(YOLOX, &vec!["item"; labels.len()]), 416));
    }
    for (model, manifest, side) in cases {
        let place = tempdir().unwrap();
        let bundle = bundle(place.path(), &model, manifest);
        let mut detector = Detector::load(&Runtime::open().unwrap(), &bundle, 1).unwrap();
        let wide = Plain::new(side, side / 2, PixelFormat::Rgbx, [200, 20, 100]);
        let high = Plain::new(side / 2, side, PixelFormat::Rgb, [20, 20, 100]);
        let mut seen = Detections::new();
        detector.detect(wide.picture(), &mut seen).unwrap();
        let counted = measure(|| {
            for _ in 0..3 {
                detector.detect(wide.picture(), &mut seen).unwrap();
                detector.detect(high.picture(), &mut seen).unwrap();
            }
        });
        assert_eq!(counted.count_total, 0, "{}", model.display());
    }
}

#[test]
fn a_question_costs_no_allocation() {
    let place = tempdir().unwrap();
    let bundle = temporal_bundle(place.path(), &data("temporal.onnx"), VERSION);
    let mut classifier = TemporalClassifier::load(&Runtime::open().unwrap(), &bundle).unwrap();
    let (window, asked) = ([[0.5; ROW]; WINDOW], [0.5; ASKED]);
    classifier.classify(&window, &asked).unwrap();
    let counted = measure(|| {
        for _ in 0..3 {
            classifier.classify(&window, &asked).unwrap();
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn reading_an_output_costs_no_allocation() {
    let n = 3 * MAX_CANDIDATES;
    let output: Vec<f32> = (0..6 * n).map(|i| ((i * 7919) % 61) as f32 / 60.0).collect();
    let letterbox = Letterbox { input_width: 64, input_height: 64, width: 64, height: 64, left: 0, top: 0 };
    for (family, shape) in [(YOLO, [1, 6, n]), (END2END, [1, n, 6])] {
        let mut decoder = Decoder::new(&manifest(family, &["item"; 2]));
        let mut seen = Detections::new();
        decoder.decode(&output, &shape, &letterbox, &mut seen).unwrap();
        assert!(family == END2END || decoder.cut() > 0, "the bound is reached");
        let counted = measure(|| decoder.decode(&output, &shape, &letterbox, &mut seen).unwrap());
        assert_eq!(counted.count_total, 0);
    }
}
