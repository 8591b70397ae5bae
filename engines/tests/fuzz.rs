//! Fuzz targets: a bundle's manifest, and what a detector's output may hold.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use cartvision_core::Detections;
use cartvision_engines::{
    Bundle,
    bundle::BundleError,
    detector::{Decoder, Letterbox},
};
use cartvision_fuzz::{Edit, Executions, bolero, edited, edits};

mod support;
use support::{END2END, YOLO, YOLOX, bundle, data, manifest};

/// A manifest is read, or refused with a reason; never does one lead out of its directory.
#[test]
fn fuzz_manifest() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path().join("bundle");
    let right = bundle(&place, &data("yolo.onnx"), manifest(YOLO, &["item", "hand", "ignore"]));
    let text = fs::read(place.join("bundle.toml")).unwrap();
    assert_eq!(right.manifest().classes.len(), 3);
    let tried = Executions::of("bundle manifest");
    bolero::check!().with_generator(edits()).for_each(|script: &Vec<Edit>| {
        fs::write(place.join("bundle.toml"), edited(&text, script)).unwrap();
        let opened = Bundle::open(&place);
        tried.one(opened.is_ok());
        match opened {
            Ok(bundle) => {
                for file in bundle.manifest().files() {
                    assert!(bundle.read(file).is_ok());
                    assert!(Path::new(&file.file).is_relative());
                }
            }
            Err(BundleError::Io { source, .. }) => panic!("an error of ours, not of the manifest: {source}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

/// Whatever bits an engine gives: boxes are within the picture, scores are probabilities, or it is an error.
#[test]
fn fuzz_output() {
    const TOP: Letterbox =
        Letterbox { input_width: 64, input_height: 64, width: 64, height: 32, left: 0, top: 0 };
    let tried = Executions::of("detector output");
    // As each family gives it for three classes: its cells, or any number of them; now and then any other shape.
    let values = bolero::generator::produce::<Vec<u32>>().with().len(0..700_usize);
    let inputs = (bolero::generator::produce::<u8>(), bolero::generator::produce::<u8>(), values);
    bolero::check!().with_generator(inputs).for_each(|(family, other, bits): &(u8, u8, Vec<u32>)| {
        let mut output: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        let (family, rows, columns) = match family % 3 {
            0 => (YOLOX, 84, 8),
            1 => (YOLO, 7, output.len() / 7),
            _ => (END2END, output.len() / 6, 6),
        };
        let shape =
            if other % 16 == 0 { [1, usize::from(other / 16), output.len()] } else { [1, rows, columns] };
        if other % 16 != 1 {
            output.resize(shape.iter().product(), f32::from_bits(u32::from(*other) << 22));
        }
        let mut decoder = Decoder::new(&manifest(&family.replace("416", "64"), &["item", "ignore", "hand"]));
        let mut seen = Detections::new();
        let decoded = decoder.decode(&output, &shape, &TOP, &mut seen);
        tried.one(decoded.is_ok());
        for d in &seen {
            assert!(d.is_sound(), "{d:?}");
        }
    });
}
