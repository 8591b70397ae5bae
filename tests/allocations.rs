//! From a detector's output to a decision a picture costs no heap allocation on our side.
#![allow(clippy::unwrap_used)]

use allocation_counter::measure;
use cartvision_core::features::{self, ROW, VERSION, WINDOW};
use cartvision_core::{
    CameraId, Detections, Effect, Effects, Input, MAX_EFFECTS, MediaTime, Outcome, Question, Session,
    Settings, Zone, analytic,
};
use cartvision_engines::{
    Bundle, Manifest, Runtime, TemporalClassifier,
    detector::{Decoder, Letterbox},
};
use cartvision_tests::bench::Bench;

/// The model's input side and, of its three grids, the one with stride 8.
const SIDE: usize = 416;
const STRIDE: usize = 8;
const CELLS: usize = (SIDE / 8) * (SIDE / 8) + (SIDE / 16) * (SIDE / 16) + (SIDE / 32) * (SIDE / 32);
/// Centre, size, objectness, and the scores of two items and a hand.
const VALUES: usize = 5 + 3;
/// Pictures a second, and how many of them one shopper takes: one item in, another out.
const RATE: u64 = 15;
const ROUND: u64 = 12 * RATE;

const MANIFEST: &str = "format = 1
name = 'synthetic'
version = '1.0.0'
[detector]
family = 'yolox'
width = 416
height = 416
layout = 'nchw'
dtype = 'f32'
colour = 'bgr'
scale = 1.0
padding = { value = 114, placement = 'top-left' }
variants.onnx-fp32 = { file = 'model.onnx', sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' }
[[classes]]
label = 'a'
role = 'item'
[[classes]]
label = 'b'
role = 'item'
[[classes]]
label = 'hand'
role = 'hand'
";

/// Writes one box into a YOLOX output, in the cell of stride 8 that holds its centre; pixels.
fn write(output: &mut [f32], class: usize, score: f32, [cx, cy, w, h]: [f32; 4]) {
    let stride = STRIDE as f32;
    let (column, row) = ((cx / stride) as usize, (cy / stride) as usize);
    let cell = &mut output[(row * (SIDE / STRIDE) + column) * VALUES..][..VALUES];
    let (x, y) = (cx / stride - column as f32, cy / stride - row as f32);
    cell[..5].copy_from_slice(&[x, y, (w / stride).ln(), (h / stride).ln(), score]);
    cell[5 + class] = 1.0;
}

/// The output for picture `i`: stock that lies still and is covered now and then, an item that a hand carries in
/// and later out, faint and flickering boxes.
fn draw(i: u64, output: &mut [f32]) {
    output.fill(0.0);
    write(output, 0, 0.9, [300.0, 120.0, 50.0, 80.0]);
    if i % 7 != 3 {
        write(output, 1, 0.8, [100.0, 320.0, 50.0, 80.0]);
    }
    if i.is_multiple_of(3) {
        write(output, 0, 0.55, [220.0, 60.0, 30.0, 30.0]);
    }
    write(output, 1, 0.2, [380.0, 380.0, 40.0, 40.0]);
    let t = (i % ROUND) as f32 / RATE as f32;
    let share = match t {
        t if t < 2.0 => return,
        t if t < 3.0 => t - 2.0,
        t if t < 7.0 => 1.0,
        t if t < 8.0 => 8.0 - t,
        _ => return,
    };
    let x = 4.0 + share * 180.0;
    write(output, 1, 0.9, [x, 200.0, 50.0, 80.0]);
    if !(3.3..6.7).contains(&t) {
        write(output, 2, 0.8, [x, 260.0, 60.0, 70.0]);
    }
}

#[test]
fn a_picture_costs_no_allocation_from_output_to_decision() {
    let manifest: Manifest = toml::from_str(MANIFEST).unwrap();
    let mut decoder = Decoder::new(&manifest);
    let letterbox =
        Letterbox { input_width: SIDE, input_height: SIDE, width: SIDE, height: SIDE, left: 0, top: 0 };
    let mut output = vec![0.0_f32; CELLS * VALUES];
    let mut cart = Box::new(Session::new(Settings::default(), [Zone::whole(), Zone::whole()]).unwrap());
    let cameras = [0, 1].map(|i| CameraId::new(i).unwrap());
    // The analytic classifier decides, so that there are acts; the learned one is asked the same.
    let bench = Bench::temporal("temporal.onnx", VERSION);
    let bundle = Bundle::open(&bench.bundle).unwrap();
    let mut learned = TemporalClassifier::load(&Runtime::open().unwrap(), &bundle).unwrap();
    let (mut window, mut asked) = ([[0.0; ROW]; WINDOW], 0);
    let mut seen = Detections::new();
    let mut effects = Effects::new();
    let (mut added, mut removed, mut unresolved) = (0, 0, 0);
    cart.step(MediaTime::ZERO, Input::SessionStarted, &mut effects);

    let mut count = |effects: &Effects| {
        for effect in effects {
            match effect {
                Effect::Publish(d) => match d.outcome {
                    Outcome::Added => added += 1,
                    Outcome::Removed { .. } => removed += 1,
                    Outcome::Unresolved { .. } => unresolved += 1,
                },
                Effect::Classify(_) | Effect::BasketOverflowed(_) => {}
            }
        }
    };
    let mut picture = |i: u64| {
        draw(i, &mut output);
        for camera in cameras {
            decoder.decode(&output, &[1, CELLS, VALUES], &letterbox, &mut seen).unwrap();
            let now = MediaTime::from_ms(1000 * i / RATE + 10 * camera.index() as u64);
            cart.step(now, Input::Detected { camera, detections: &seen }, &mut effects);
            let mut questions = [None::<Question>; MAX_EFFECTS];
            for (effect, question) in effects.iter().zip(&mut questions) {
                if let Effect::Classify(q) = effect {
                    *question = Some(*q);
                }
            }
            count(&effects);
            for question in questions.into_iter().flatten() {
                cart.window(question.camera, question.track, &mut window);
                learned.classify(&window, &features::asked(&question)).unwrap();
                asked += 1;
                let answer = analytic::classify(&question);
                cart.step(now, Input::Classified { question: question.id, answer }, &mut effects);
                count(&effects);
            }
        }
    };
    // Warm-up: the first pictures fill the buffers.
    (0..5).for_each(&mut picture);
    let counted = measure(|| (5..4 * ROUND).for_each(&mut picture));
    assert_eq!(counted.count_total, 0, "allocations in {} pictures of two cameras", 4 * ROUND - 5);
    assert_eq!((added, removed), (4, 4), "the pictures tell of acts; {unresolved} unresolved");
    assert!(asked >= 16, "two cameras asked of each: {asked}");
}
