//! Temporal classifiers: asked as the core asks, and every way in which a model is not one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use cartvision_core::features::{ASKED, Asked, ROW, VERSION, WINDOW, Window};
use cartvision_engines::{Bundle, EngineError, Runtime, TemporalClassifier};
use tempfile::tempdir;

mod support;
use support::{data, temporal_bundle};

fn load(model: &Path, version: u32) -> Result<TemporalClassifier, EngineError> {
    let place = tempdir().unwrap();
    let bundle = temporal_bundle(place.path(), model, version);
    TemporalClassifier::load(&Runtime::open().unwrap(), &bundle)
}

const WINDOW_OF_ZEROS: Window = [[0.0; ROW]; WINDOW];
const ASKED_ZEROS: Asked = [0.0; ASKED];

/// The tiny model's logits are 0, the window's last value and the last one asked: both inputs come where they should,
/// and the output is read in its order.
#[test]
fn answers_follow_both_inputs() {
    let mut classifier = load(&data("temporal.onnx"), VERSION).unwrap();
    let mut window = WINDOW_OF_ZEROS;
    let mut asked = ASKED_ZEROS;
    let mut answer = |window: &Window, asked: &Asked| {
        let p = classifier.classify(window, asked).unwrap();
        [p.none, p.added, p.removed].map(|p| (p * 6e4).round() / 1e4)
    };
    assert_eq!(answer(&window, &asked), [2.0, 2.0, 2.0]);
    window[WINDOW - 1][ROW - 1] = 2.0_f32.ln();
    asked[ASKED - 1] = 3.0_f32.ln();
    assert_eq!(answer(&window, &asked), [1.0, 2.0, 3.0]);
    // Nothing of it is left in the buffers.
    assert_eq!(answer(&WINDOW_OF_ZEROS, &ASKED_ZEROS), [2.0, 2.0, 2.0]);
    // Certainty is 1 and no more, which the core would take for no probability.
    window[WINDOW - 1][ROW - 1] = 1e3;
    assert_eq!(answer(&window, &ASKED_ZEROS), [0.0, 6.0, 0.0]);
}

#[test]
fn what_is_no_temporal_classifier_is_refused_with_what_differs() {
    let place = tempdir().unwrap();
    let text = place.path().join("text.onnx");
    std::fs::write(&text, "this is no model\n").unwrap();
    let later = VERSION + 1;
    let (says_later, says_now) = (format!("version {later}"), format!("version {VERSION}"));
    let cases = [
        ("another version", data("temporal.onnx"), later, [says_later.as_str(), &says_now, "train it again"]),
        ("text", text, VERSION, ["cannot load", "export", "ONNX"]),
        (
            "a shorter window",
            data("temporal_twelve_rows.onnx"),
            VERSION,
            ["1×12×15", "1×24×15", "export it again"],
        ),
        (
            "another name",
            data("temporal_other_name.onnx"),
            VERSION,
            ["\"question\"", "\"asked\"", "export it again"],
        ),
        (
            "two outputs",
            data("temporal_two_outputs.onnx"),
            VERSION,
            ["output is \"probabilities\" (1×2", "1×3", "export"],
        ),
        ("a detector", data("yolo.onnx"), VERSION, ["1×3×64×64", "\"window\"", "export it again"]),
        ("logits", data("temporal_without_softmax.onnx"), VERSION, ["[0.0, 0.0, 0.0]", "sum", "softmax"]),
    ];
    let mut failures = Vec::new();
    for (name, model, version, words) in cases {
        match load(&model, version) {
            Ok(_) => failures.push(format!("{name}: accepted")),
            Err(e) if e.is_environment() => failures.push(format!("{name}: blamed on the machine: {e}")),
            Err(e) => {
                let said = e.to_string();
                let absent = words.iter().chain(&["model-temporal.onnx"]).find(|word| !said.contains(**word));
                failures.extend(absent.map(|word| format!("{name}: no {word:?} in: {said}")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Neither a certainty nor "unsure": whoever asked must know that there is no answer.
#[test]
fn an_answer_that_is_no_number_is_an_error_and_the_next_one_is_none() {
    let mut classifier = load(&data("temporal_failing.onnx"), VERSION).unwrap();
    let mut window = WINDOW_OF_ZEROS;
    window[0][0] = 1.0;
    for _ in 0..2 {
        let error = classifier.classify(&window, &ASKED_ZEROS).unwrap_err();
        assert!(matches!(error, EngineError::NoProbabilities { .. }), "{error}");
        assert!(error.to_string().contains("[NaN, NaN, NaN]"), "{error}");
    }
    assert!(classifier.classify(&WINDOW_OF_ZEROS, &ASKED_ZEROS).is_ok());
    // What is shown is no number: nothing is made of it either.
    window[0][0] = f32::NAN;
    assert!(classifier.classify(&window, &ASKED_ZEROS).is_err());
}

#[test]
fn a_bundle_without_one_says_how_to_get_one() {
    let place = tempdir().unwrap();
    temporal_bundle(place.path(), &data("temporal.onnx"), VERSION);
    let manifest = place.path().join("bundle.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let (before, from) = text.split_once("[temporal").unwrap();
    let (_, after) = from.split_once("[[classes]]").unwrap();
    std::fs::write(&manifest, format!("{before}[[classes]]{after}")).unwrap();
    let bundle = Bundle::open(place.path()).unwrap();
    let error = TemporalClassifier::load(&Runtime::open().unwrap(), &bundle).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("tiny@1.0.0") && said.contains("cartlab bundle --temporal"), "{said}");
}
