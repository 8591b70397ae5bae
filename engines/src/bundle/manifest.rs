//! What `bundle.toml` says. This is the one definition of the format: it is read and written from these types.

use std::{collections::BTreeSet, fmt};

use cartvision_core::Role;
use serde::{Deserialize, Serialize};

use super::Digest;

/// The format that this code reads and writes.
const FORMAT: u32 = 1;

/// The largest input side, pixels: 8192² × 3 floats is 768 MiB, well past any detector.
const MAX_SIDE: usize = 8192;

/// The whole of `bundle.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Name of the model, like `grocery-24`.
    pub name: String,
    /// Version of the model, like `1.3.0`.
    pub version: String,
    /// The detector.
    pub detector: DetectorModel,
    /// Where to cut.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// How far to trust scores.
    #[serde(default)]
    pub calibration: Calibration,
    /// The classifier of acts over time, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal: Option<TemporalClassifier>,
    /// The classes, in the order of the detector's outputs.
    pub classes: Vec<Class>,
    /// What was measured when the bundle was made; for people, read by nobody.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub figures: toml::Table,
}

/// The detector's family, input and files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorModel {
    /// How the output is to be read.
    pub family: Family,
    /// Name of the model's input; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Input width, pixels.
    pub width: usize,
    /// Input height, pixels.
    pub height: usize,
    /// Order of the input's dimensions.
    pub layout: TensorLayout,
    /// Type of the input's elements.
    pub dtype: Dtype,
    /// Order of the colour channels.
    pub colour: Colour,
    /// What a byte of the picture (0 to 255) is multiplied with; must be 1 for `u8`.
    pub scale: f32,
    /// What fills the input where the picture does not.
    pub padding: Padding,
    /// The model's files, one per backend.
    pub variants: Variants,
}

impl DetectorModel {
    /// Extents of the input.
    pub(crate) fn shape(&self) -> [usize; 4] {
        let channels = self.colour.channels();
        match self.layout {
            TensorLayout::Nchw => [1, channels, self.height, self.width],
            TensorLayout::Nhwc => [1, self.height, self.width, channels],
        }
    }
}

/// How a detector's output is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// 1×N×(5+classes): centre and log size on grids of strides 8, 16, 32, objectness, class scores.
    Yolox,
    /// 1×(4+classes)×N: centre and size in input pixels, class scores (as YOLOv8, 9, 11 export).
    Yolo,
    /// 1×N×6: corners in input pixels, score, class; already suppressed.
    End2end,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yolox => "yolox",
            Self::Yolo => "yolo",
            Self::End2end => "end2end",
        })
    }
}

/// Order of the input's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorLayout {
    /// 1×channels×height×width.
    Nchw,
    /// 1×height×width×channels.
    Nhwc,
}

/// Type of the input's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// Bytes; the model itself scales them.
    U8,
}

/// Order of the colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue, and a fourth byte that the model does not look at: pictures as they come out of capture,
    /// row by row, without a pass over their pixels. Only with layout `nhwc` and dtype `u8`.
    Rgbx,
}

impl Colour {
    /// Values of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Rgbx => 4,
        }
    }
}

/// What fills the input where the picture does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Padding {
    /// Value of every channel, before the scale.
    pub value: u8,
    /// Where the picture lies.
    pub placement: Placement,
}

/// Where a picture lies in an input that is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// In the top left corner.
    TopLeft,
    /// In the middle.
    Centre,
}

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Its path within the bundle.
    pub file: String,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// A backend's kind of model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// 32-bit floats: runs everywhere.
    OnnxFp32,
    /// INT8 with unsigned activations: for CPUs.
    OnnxInt8U8,
    /// INT8 with explicit, symmetric Q/DQ: for TensorRT.
    OnnxInt8Qdq,
}

impl Variant {
    /// Every variant, the one a CPU runs fastest first.
    pub const ALL: [Self; 3] = [Self::OnnxInt8U8, Self::OnnxFp32, Self::OnnxInt8Qdq];

    /// Its name in `bundle.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnnxFp32 => "onnx-fp32",
            Self::OnnxInt8U8 => "onnx-int8-u8",
            Self::OnnxInt8Qdq => "onnx-int8-qdq",
        }
    }
}

/// The model's files, one per backend; at least one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variants {
    /// [`Variant::OnnxFp32`].
    #[serde(rename = "onnx-fp32", default, skip_serializing_if = "Option::is_none")]
    pub onnx_fp32: Option<FileRef>,
    /// [`Variant::OnnxInt8U8`].
    #[serde(rename = "onnx-int8-u8", default, skip_serializing_if = "Option::is_none")]
    pub onnx_int8_u8: Option<FileRef>,
    /// [`Variant::OnnxInt8Qdq`].
    #[serde(rename = "onnx-int8-qdq", default, skip_serializing_if = "Option::is_none")]
    pub onnx_int8_qdq: Option<FileRef>,
}

impl Variants {
    /// The file of one variant.
    pub fn get(&self, variant: Variant) -> Option<&FileRef> {
        match variant {
            Variant::OnnxFp32 => self.onnx_fp32.as_ref(),
            Variant::OnnxInt8U8 => self.onnx_int8_u8.as_ref(),
            Variant::OnnxInt8Qdq => self.onnx_int8_qdq.as_ref(),
        }
    }

    /// The variants that are there.
    pub fn present(&self) -> impl Iterator<Item = (Variant, &FileRef)> {
        Variant::ALL.into_iter().filter_map(|variant| Some((variant, self.get(variant)?)))
    }
}

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// The least score that a detection has. Low, because tracking continues a track on weak detections.
    pub score: f32,
    /// Of two boxes of one class that overlap more than this (intersection over union), the weaker one is dropped.
    pub nms_iou: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { score: 0.10, nms_iou: 0.45 }
    }
}

/// How far to trust scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calibration {
    /// What a logit is divided by before it counts as a probability; 1 leaves it alone.
    pub temperature: f32,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

/// The classifier of acts over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemporalClassifier {
    /// Version of the features that it was trained on.
    pub feature_version: u32,
    /// Its model.
    pub model: FileRef,
}

/// A class of the detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What people call it.
    pub label: String,
    /// The catalogue's identifier, for items; the label where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it means to the cart.
    #[serde(with = "RoleName")]
    pub role: Role,
}

impl Class {
    /// The catalogue's identifier of an item.
    pub fn catalogue_id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.label)
    }
}

/// [`Role`]'s names in `bundle.toml`; the core knows no serde.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Role", rename_all = "lowercase")]
enum RoleName {
    Item,
    Unknown,
    Hand,
    Ignore,
}

/// What an event can carry: 1 to 64 characters, none of them a control character.
fn fits(text: &str) -> bool {
    (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// A value that makes no sense.
pub(super) struct Fault {
    pub(super) key: String,
    pub(super) reason: String,
}

impl Manifest {
    /// The number that [`Manifest::format`] has today.
    pub const FORMAT: u32 = FORMAT;

    /// `name@version`.
    pub fn identity(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Every file that it names.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.detector.variants.present().map(|(_, file)| file).chain(self.temporal.iter().map(|t| &t.model))
    }

    /// What types cannot say.
    pub(super) fn validate(&self) -> Result<(), Fault> {
        let check = |holds: bool, key: &str, reason: &str| {
            if holds { Ok(()) } else { Err(Fault { key: key.to_owned(), reason: reason.to_owned() }) }
        };
        if self.format != FORMAT {
            return Err(Fault {
                key: "format".to_owned(),
                reason: format!(
                    "is {}, but this program reads {FORMAT}; use a matching version of it",
                    self.format
                ),
            });
        }
        for (key, text) in [("name", &self.name), ("version", &self.version)] {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
            check(plain && fits(text), key, "must be 1 to 64 letters, digits, '-', '_', '.' or '+'")?;
        }

        let d = &self.detector;
        for (key, side) in [("detector.width", d.width), ("detector.height", d.height)] {
            check((1..=MAX_SIDE).contains(&side), key, "must be from 1 to 8192")?;
            let grids = d.family != Family::Yolox || side.is_multiple_of(32);
            check(grids, key, "must be a multiple of 32 for yolox")?;
        }
        let as_captured = d.layout == TensorLayout::Nhwc && d.dtype == Dtype::U8;
        check(
            d.colour != Colour::Rgbx || as_captured,
            "detector.colour",
            "rgbx goes only with layout nhwc and dtype u8: pictures are taken in as they are",
        )?;
        check(d.scale.is_finite() && d.scale > 0.0, "detector.scale", "must be above 0")?;
        let bytes = d.dtype == Dtype::U8 && d.scale != 1.0;
        check(!bytes, "detector.scale", "must be 1 for dtype u8: such a model scales by itself")?;
        check(d.variants.present().next().is_some(), "detector.variants", "must name at least one file")?;

        let open_unit = |x: f32| x > 0.0 && x < 1.0;
        check(open_unit(self.thresholds.score), "thresholds.score", "must be above 0 and below 1")?;
        check(open_unit(self.thresholds.nms_iou), "thresholds.nms_iou", "must be above 0 and below 1")?;
        let t = self.calibration.temperature;
        check(t.is_finite() && t > 0.0, "calibration.temperature", "must be above 0")?;

        let count = self.classes.len();
        check((1..=usize::from(u16::MAX)).contains(&count), "classes", "must be from 1 to 65535 classes")?;
        let mut seen = BTreeSet::new();
        for (index, class) in self.classes.iter().enumerate() {
            let fault = |reason: String| Err(Fault { key: format!("classes[{index}]"), reason });
            for (key, text) in [("label", Some(&class.label)), ("id", class.id.as_ref())] {
                if text.is_some_and(|text| !fits(text) || text.trim().is_empty()) {
                    return fault(format!("{key} must be 1 to 64 printable characters"));
                }
            }
            if !seen.insert(class.label.as_str()) {
                return fault(format!("label {:?} is there twice", class.label));
            }
        }
        Ok(())
    }
}
