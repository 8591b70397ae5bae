//! Reading outputs, without an engine: by hand for each family, and whatever bits an engine may give.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cartvision_core::{BBox, Detections, MAX_DETECTIONS, Role};
use cartvision_engines::detector::{DecodeError, Decoder, Letterbox, MAX_CANDIDATES};
use proptest::{prelude::*, test_runner::RngSeed};

mod support;
use support::{END2END, YOLO, YOLOX, manifest};

/// A 64×32 picture at the top of a 64×64 input.
const TOP: Letterbox =
    Letterbox { input_width: 64, input_height: 64, width: 64, height: 32, left: 0, top: 0 };
/// The same in its middle.
const MIDDLE: Letterbox = Letterbox { top: 16, ..TOP };
/// Cells of the YOLOX grids at 64×64: 8² + 4² + 2².
const CELLS: usize = 84;

fn decoder(detector: &str, roles: &[&str]) -> Decoder {
    Decoder::new(&manifest(&detector.replace("416", "64"), roles))
}

/// A 1×N×(5+classes) output with these boxes: cell, then its values.
fn yolox(classes: usize, cells: &[(usize, &[f32])]) -> (Vec<f32>, [usize; 3]) {
    let mut output = vec![0.0; CELLS * (5 + classes)];
    for (cell, values) in cells {
        output[cell * (5 + classes)..][..values.len()].copy_from_slice(values);
    }
    (output, [1, CELLS, 5 + classes])
}

fn round(b: BBox) -> [i32; 4] {
    [b.x0, b.y0, b.x1, b.y1].map(|x| (x * 1000.0).round() as i32)
}

#[test]
fn yolox_boxes_come_from_their_grid_cell() {
    let mut decoder = decoder(YOLOX, &["item", "hand", "ignore"]);
    let ln2 = 2.0_f32.ln();
    let (output, shape) = yolox(
        3,
        &[
            // Stride 8, column 3, row 1: centre (3.5, 1.5) × 8 = (28, 12), size 2 × 8 = 16.
            (8 + 3, &[0.5, 0.5, ln2, ln2, 0.9, 0.1, 1.0, 0.2]),
            // Stride 16, column 1, row 0: centre (24, 8), size 16: mostly what the first shows, weaker, other class.
            (64 + 1, &[0.5, 0.5, 0.0, 0.0, 0.8, 1.0, 0.0, 0.0]),
            // Stride 32, column 1, row 1, below the picture: padding.
            (80 + 3, &[0.5, 0.5, 0.0, 0.0, 0.9, 1.0, 0.0, 0.0]),
            // An ignored class.
            (0, &[0.5, 0.5, 0.0, 0.0, 0.9, 0.0, 0.0, 1.0]),
            // Objectness enough, but not times the class score.
            (5, &[0.5, 0.5, 0.0, 0.0, 0.5, 0.19, 0.0, 0.0]),
        ],
    );
    let mut seen = Detections::new();
    decoder.decode(&output, &shape, &TOP, &mut seen).unwrap();
    let got: Vec<_> = seen.iter().map(|d| (d.role, d.class.0, d.score, round(d.bbox))).collect();
    assert_eq!(
        got,
        [(Role::Hand, 1, 0.9, [313, 125, 563, 625]), (Role::Item, 0, 0.8, [250, 0, 500, 500])],
        "{seen:?}"
    );
}

#[test]
fn yolo_and_end2end_boxes_are_input_pixels() {
    let mut seen = Detections::new();
    // Two boxes; class-major.
    let output = [[32.0, 0.0], [32.0, 32.0], [16.0, 16.0], [16.0, 8.0], [0.2, 0.7], [0.8, 0.1]];
    decoder(YOLO, &["hand", "item"]).decode(output.as_flattened(), &[1, 6, 2], &MIDDLE, &mut seen).unwrap();
    let got: Vec<_> = seen.iter().map(|d| (d.role, d.score, round(d.bbox))).collect();
    assert_eq!(got, [(Role::Item, 0.8, [375, 250, 625, 750]), (Role::Hand, 0.7, [0, 375, 125, 625])]);

    let output = [[-8.0, 16.0, 32.0, 100.0, 0.6, 1.0], [0.0, 0.0, 64.0, 64.0, 0.09, 0.0]];
    let mut end2end = decoder(END2END, &["hand", "item"]);
    for shape in [&[1, 2, 6][..], &[2, 6]] {
        end2end.decode(output.as_flattened(), shape, &MIDDLE, &mut seen).unwrap();
        let got: Vec<_> = seen.iter().map(|d| (d.role, d.score, round(d.bbox))).collect();
        assert_eq!(got, [(Role::Item, 0.6, [0, 0, 500, 1000])]);
    }
    end2end.decode(&[], &[1, 0, 6], &MIDDLE, &mut seen).unwrap();
    assert!(seen.is_empty());
}

#[test]
fn suppression_is_by_class_and_by_overlap() {
    let mut seen = Detections::new();
    // 16-pixel squares 4 pixels apart in x: overlap 12/20 = 0.6; 8 apart: 8/24 = 0.33.
    let row = |x: f32, score: f32, class: usize| {
        let mut row = [x, 8.0, 16.0, 16.0, 0.0, 0.0];
        row[4 + class] = score;
        row
    };
    type Case<'a> = (&'a str, [[f32; 6]; 3], &'a [f32]);
    let cases: [Case<'_>; 4] = [
        (
            "a chain falls only to the kept",
            [row(8., 0.9, 0), row(12., 0.8, 0), row(16., 0.7, 0)],
            &[0.9, 0.7],
        ),
        (
            "order in the output does not count",
            [row(16., 0.7, 0), row(12., 0.8, 0), row(8., 0.9, 0)],
            &[0.9, 0.7],
        ),
        ("another class stays", [row(8., 0.9, 0), row(8., 0.8, 1), row(8., 0.7, 1)], &[0.9, 0.8]),
        ("apart stays", [row(8., 0.9, 0), row(16., 0.8, 0), row(24., 0.7, 0)], &[0.9, 0.8, 0.7]),
    ];
    for (name, rows, expected) in cases {
        let output: Vec<f32> = (0..6).flat_map(|channel| rows.map(|row| row[channel])).collect();
        decoder(YOLO, &["item", "hand"]).decode(&output, &[1, 6, 3], &TOP, &mut seen).unwrap();
        assert_eq!(seen.iter().map(|d| d.score).collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn of_too_many_the_best_stay_and_the_rest_is_counted() {
    let mut decoder = decoder(YOLO, &["item", "ignore"]);
    let n = 5 * MAX_CANDIDATES + 7;
    // Distinct scores in no order, boxes without overlap (1/32 pixel wide).
    let channel = |f: &dyn Fn(usize) -> f32| (0..n).map(f).collect::<Vec<_>>();
    let score = |i: usize| 0.2 + 0.7 * ((i * 7919) % n) as f32 / n as f32;
    let x = |i: usize| (i % 1024) as f32 / 16.0 + 0.02;
    let y = |i: usize| (i / 1024) as f32 + 0.5;
    let output: Vec<f32> =
        [channel(&x), channel(&y), vec![1.0 / 32.0; n], vec![0.5; n], channel(&score), vec![0.0; n]].concat();
    let mut best: Vec<f32> = (0..n).map(score).collect();
    best.sort_by(|a, b| b.total_cmp(a));
    let mut seen = Detections::new();
    for times in 1..=2 {
        decoder.decode(&output, &[1, 6, n], &TOP, &mut seen).unwrap();
        assert_eq!(seen.iter().map(|d| d.score).collect::<Vec<_>>(), best[..MAX_DETECTIONS]);
        assert_eq!(decoder.cut(), times * (n - MAX_DETECTIONS) as u64);
    }
}

#[test]
fn shapes_that_are_not_the_familys_are_refused() {
    let cases: &[(&str, &[&str], &[usize], bool)] = &[
        (YOLOX, &["item"], &[1, CELLS, 6], true),
        (YOLOX, &["item"], &[1, CELLS, 7], false),
        (YOLOX, &["item"], &[1, CELLS - 1, 6], false),
        (YOLOX, &["item"], &[2, CELLS, 6], false),
        (YOLOX, &["item"], &[CELLS, 6], false),
        (YOLO, &["item"], &[1, 5, 100], true),
        (YOLO, &["item"], &[1, 100, 5], false),
        (YOLO, &["item"], &[1, 6, 100], false),
        (YOLO, &["item"], &[], false),
        (END2END, &["item"], &[1, 300, 6], true),
        (END2END, &["item"], &[1, 300, 7], false),
        (END2END, &["item"], &[2, 300, 6], false),
    ];
    for (family, roles, shape, good) in cases {
        let mut decoder = decoder(family, roles);
        assert_eq!(decoder.check(shape).is_ok(), *good, "{family} {shape:?}");
        // A length that does not match is an error too, not a panic.
        let short = decoder.decode(&[0.0; 5], shape, &TOP, &mut Detections::new());
        assert!(short.is_err(), "{family} {shape:?}");
    }
}

/// Numbers that an engine might give, and those that it should not.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0f32..2.0,
        2 => -100.0f32..100.0,
        1 => any::<u32>().prop_map(f32::from_bits),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -0.0, 1e30]),
    ]
}

fn outputs() -> impl Strategy<Value = (&'static str, Vec<usize>, Vec<f32>)> {
    let yolox = prop::collection::vec(value(), CELLS * 8).prop_map(|v| (YOLOX, vec![1, CELLS, 8], v));
    let yolo = (0usize..40)
        .prop_flat_map(|n| prop::collection::vec(value(), n * 7).prop_map(move |v| (YOLO, vec![1, 7, n], v)));
    let end2end = (0usize..40).prop_flat_map(|n| {
        prop::collection::vec(value(), n * 6).prop_map(move |v| (END2END, vec![1, n, 6], v))
    });
    prop_oneof![yolox, yolo, end2end]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_detections_are_sane((family, shape, output) in outputs(), middle: bool) {
        let mut decoder = decoder(family, &["item", "ignore", "hand"]);
        let letterbox = if middle { MIDDLE } else { TOP };
        let mut seen = Detections::new();
        match decoder.decode(&output, &shape, &letterbox, &mut seen) {
            Err(DecodeError::ClassUnknown { .. }) => prop_assert!(family == END2END && seen.is_empty()),
            Err(e) => prop_assert!(false, "{e}"),
            Ok(()) => {}
        }
        for (i, d) in seen.iter().enumerate() {
            let b = d.bbox;
            prop_assert!(0.0 <= b.x0 && b.x0 < b.x1 && b.x1 <= 1.0 && 0.0 <= b.y0 && b.y0 < b.y1 && b.y1 <= 1.0);
            prop_assert!((0.1..=1.0).contains(&d.score));
            prop_assert!(matches!((d.class.0, d.role), (0, Role::Item) | (2, Role::Hand)));
            for e in &seen[i + 1..] {
                prop_assert!(d.score >= e.score);
                prop_assert!(family == END2END || d.class != e.class || d.bbox.iou(&e.bbox) <= 0.45);
            }
        }
        // The same again, from the same buffers.
        let mut again = Detections::new();
        let _ = decoder.decode(&output, &shape, &letterbox, &mut again);
        prop_assert_eq!(seen, again);
    }
}
