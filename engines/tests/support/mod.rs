//! What the tests of this crate share: manifests in short form, pictures, the tiny models of `tests/data`.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use cartvision_core::{Picture, PixelFormat};
use cartvision_engines::{
    Bundle, Draft, Manifest,
    bundle::{Digest, TemporalClassifier},
};

/// A manifest; `detector` is what follows `[detector]`, `roles` the classes' roles in order.
pub fn manifest(detector: &str, roles: &[&str]) -> Manifest {
    let classes: String = roles
        .iter()
        .enumerate()
        .map(|(i, role)| format!("[[classes]]\nlabel='c{i}'\nrole='{role}'\n"))
        .collect();
    let sha256 = Digest::of(b"");
    let text = format!(
        "format=1\nname='tiny'\nversion='1.0.0'\n[detector]\n{detector}\n\
         variants.onnx-fp32={{file='model.onnx',sha256='{sha256}'}}\n{classes}"
    );
    toml::from_str(&text).unwrap()
}

pub const YOLOX: &str = "family='yolox'\nwidth=416\nheight=416\nlayout='nchw'\ndtype='f32'\ncolour='bgr'\nscale=1.0\n\
                         padding={value=114,placement='top-left'}";
pub const YOLO: &str = "family='yolo'\nwidth=64\nheight=64\nlayout='nchw'\ndtype='f32'\ncolour='rgb'\n\
                        scale=0.003921569\npadding={value=114,placement='centre'}";
pub const END2END: &str = "family='end2end'\nwidth=64\nheight=64\nlayout='nchw'\ndtype='f32'\ncolour='bgr'\n\
                           scale=0.003921569\npadding={value=114,placement='centre'}";
pub const END2END_BYTES: &str = "family='end2end'\nwidth=64\nheight=64\nlayout='nhwc'\ndtype='u8'\ncolour='rgb'\n\
                                 scale=1.0\npadding={value=114,placement='top-left'}";

pub const YOLO_RGBX: &str = "family='yolo'\nwidth=64\nheight=64\nlayout='nhwc'\ndtype='u8'\ncolour='rgbx'\n\
                             scale=1.0\npadding={value=114,placement='centre'}";

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A bundle of one model in `place`.
pub fn bundle(place: &Path, model: &Path, mut manifest: Manifest) -> Bundle {
    let draft = Draft::begin(place, false).unwrap();
    let file = draft.add("model.onnx", &std::fs::read(model).unwrap()).unwrap();
    manifest.detector.variants.onnx_fp32 = Some(file);
    draft.finish(&manifest).unwrap();
    draft.publish().unwrap()
}

/// A bundle of a detector and this temporal classifier, made for features of that version.
pub fn temporal_bundle(place: &Path, model: &Path, feature_version: u32) -> Bundle {
    let mut manifest = manifest(YOLO, &["item", "hand"]);
    let draft = Draft::begin(place, false).unwrap();
    let add = |name: &str, file: &Path| draft.add(name, &std::fs::read(file).unwrap()).unwrap();
    manifest.detector.variants.onnx_fp32 = Some(add("model.onnx", &data("yolo.onnx")));
    let model = add("model-temporal.onnx", model);
    manifest.temporal = Some(TemporalClassifier { feature_version, model });
    draft.finish(&manifest).unwrap();
    draft.publish().unwrap()
}

/// The real model and its class list, where they are; says aloud where they are not.
pub fn real() -> Option<(PathBuf, Vec<String>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/real");
    let model = directory.join("yolox_nano.onnx");
    if !model.exists() {
        // Not by a macro: the harness would swallow it.
        _ = writeln!(std::io::stderr(), "SKIPPED: {} is absent", model.display());
        return None;
    }
    let classes = std::fs::read_to_string(directory.join("coco_classes.txt")).unwrap();
    Some((model, classes.lines().map(str::to_owned).collect()))
}

/// A picture of one colour; rows are padded with 255, so that reading past a row shows.
pub struct Plain {
    data: Vec<u8>,
    width: usize,
    height: usize,
    stride: usize,
    format: PixelFormat,
}

impl Plain {
    pub fn new(width: usize, height: usize, format: PixelFormat, rgb: [u8; 3]) -> Self {
        let row = width * format.bytes_per_pixel();
        let stride = row + 12;
        let mut data = vec![255; stride * height];
        for line in data.chunks_mut(stride) {
            for pixel in line[..row].chunks_mut(format.bytes_per_pixel()) {
                pixel[..3].copy_from_slice(&rgb);
            }
        }
        // The last row may end after its last pixel.
        data.truncate(stride * (height - 1) + row);
        Self { data, width, height, stride, format }
    }

    pub fn picture(&self) -> Picture<'_> {
        let Self { ref data, width, height, stride, format } = *self;
        Picture { data, width, height, stride, format }
    }
}
