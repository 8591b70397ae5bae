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
    bolero::check!().with_type::<(u8, u8, Vec<u32>)>().for_each(|(family, columns, bits): &(u8, u8, Vec<u32>)| {
        let output: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        let family = [YOLOX, YOLO, END2END][usize::from(*family) % 3];
        let mut decoder = Decoder::new(&manifest(&family.replace("416", "64"), &["item", "ignore", "hand"]));
        let columns = usize::from(*columns % 16).max(1);
        let shape = [1, output.len() / columns, columns];
        let output = &output[..shape[1] * columns];
        let mut seen = Detections::new();
        let decoded = decoder.decode(output, &shape, &TOP, &mut seen);
        tried.one(decoded.is_ok());
        for d in &seen {
            assert!(d.is_sound(), "{d:?}");
        }
    });
}
