//! `cartlab bundle`: from anybody's export to a bundle that was seen to run.

mod detector;
mod error;
mod figures;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use cartvision_core::{Detections, Picture, PixelFormat, Role, features};
use cartvision_engines::{
    Bundle, Detector, Draft, EngineError, Manifest, Runtime, Variant,
    bundle::{Calibration, FileRef, TemporalClassifier, Thresholds, Variants},
};

use crate::classes;
pub(crate) use detector::Size;
use detector::{ColourName, FamilyName};
pub(crate) use error::Error;

const EXAMPLE: &str = "\
Example:
  cartlab bundle --onnx yolox_nano.onnx --family yolox --classes coco_classes.txt \\
      --items bottle=08901030865278,cup --hand person --out bundles/drinks";

/// Make a model bundle from an exported detector, and run it once to see that it works
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Arguments {
    /// The exported detector, with 32-bit floats inside: one ONNX file
    #[arg(long, visible_alias = "onnx-fp32", value_name = "FILE")]
    #[arg(required_unless_present_any = ["onnx_int8_u8", "onnx_int8_qdq"])]
    onnx: Option<PathBuf>,
    /// The same in INT8 with unsigned activations: what a CPU runs where it is there
    #[arg(long, value_name = "FILE")]
    onnx_int8_u8: Option<PathBuf>,
    /// The same in INT8 with explicit, symmetric Q/DQ: for TensorRT
    #[arg(long, value_name = "FILE")]
    onnx_int8_qdq: Option<PathBuf>,
    /// A temporal classifier that was trained on questions of this version's `cartvisiond replay --questions`
    #[arg(long, value_name = "FILE")]
    temporal: Option<PathBuf>,
    /// Figures that were measured, a table in TOML or JSON: they go into the manifest, for people. `verified_with` is
    /// added to them
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// How its output is to be read: `yolox` (1×N×(5+classes)), `yolo` (1×(4+classes)×N, as YOLOv8, 9 and 11 export)
    /// or `end2end` (1×N×6)
    #[arg(long)]
    family: FamilyName,
    /// The class list the model was trained with: one label a line, in the order of its outputs
    #[arg(long, value_name = "FILE")]
    classes: PathBuf,
    /// The classes that are sold, with their catalogue ids where these are not the labels; `all` (or `*`) means every
    /// class that is nothing else. Classes that are none of these are ignored
    #[arg(long, value_name = "LABEL[=ID],…", value_delimiter = ',', required = true)]
    items: Vec<String>,
    /// The classes that are hands or arms
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    hand: Vec<String>,
    /// The classes that are things which are not in the catalogue: told of, but without a name
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    unknown: Vec<String>,
    /// Where the bundle goes: a directory that is not there yet, or an empty one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the bundle [default: the directory's name]
    #[arg(long)]
    name: Option<String>,
    /// Version of the bundle
    #[arg(long, value_name = "VERSION", default_value = "1.0.0")]
    bundle_version: String,
    /// Input size, for models that leave it open
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    input: Option<Size>,
    /// What a byte of the picture is multiplied with [default: 1 for yolox and for byte inputs, otherwise 1/255]
    #[arg(long)]
    scale: Option<f32>,
    /// Order of the colour channels [default: rgbx for inputs of four channels, bgr for yolox, otherwise rgb]
    #[arg(long)]
    colour: Option<ColourName>,
    /// Replace a bundle that is already there
    #[arg(long)]
    force: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A bundle that was made.
#[derive(Debug)]
pub(crate) struct Made {
    bundle: Bundle,
    runtime: Runtime,
}

/// A model file that the user gave.
struct Given<'a> {
    file: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> Given<'a> {
    fn read(file: &'a Path) -> Result<Self, Error> {
        let unreadable = |reason| Error::Unreadable { file: file.to_owned(), what: "model", reason };
        Ok(Self { file, bytes: fs::read(file).map_err(unreadable)? })
    }

    /// The same error, about the file that the user gave and not about our copy of it.
    fn blamed(&self, mut error: EngineError) -> EngineError {
        if let EngineError::NotAModel { file, .. }
        | EngineError::Input { file, .. }
        | EngineError::Output { file, .. }
        | EngineError::Temporal { file, .. }
        | EngineError::NoProbabilities { file, .. } = &mut error
        {
            *file = self.file.to_owned();
        }
        error
    }
}

impl Arguments {
    /// The detector's files, as they go into the bundle.
    fn detectors(&self) -> Result<Vec<(Variant, Given<'_>)>, Error> {
        let files = [
            (Variant::OnnxFp32, &self.onnx),
            (Variant::OnnxInt8U8, &self.onnx_int8_u8),
            (Variant::OnnxInt8Qdq, &self.onnx_int8_qdq),
        ];
        let given = files.into_iter().filter_map(|(variant, file)| Some((variant, file.as_deref()?)));
        given.map(|(variant, file)| Ok((variant, Given::read(file)?))).collect()
    }
}

/// Makes the bundle. It appears in its place only when all of it has been run.
pub(crate) fn run(arguments: &Arguments) -> Result<Made, Error> {
    let labels = classes::labels(&arguments.classes)?;
    let classes =
        classes::roles(&labels, &arguments.items, (&arguments.unknown, &arguments.hand), &arguments.classes)?;
    let mut figures = arguments.figures.as_deref().map(figures::read).transpose()?.unwrap_or_default();
    let detectors = arguments.detectors()?;
    let temporal = arguments.temporal.as_deref().map(Given::read).transpose()?;
    // Before the engine is asked, so that a place that is taken is told at once.
    let draft = Draft::begin(&arguments.out, arguments.force)?;

    let runtime = Runtime::open()?;
    figures.insert("verified_with".to_owned(), format!("ONNX Runtime {}", runtime.version()).into());
    // The command line asks for one at least; what the first one takes, the others must take.
    let Some((_, first)) = detectors.first() else { return Err(Error::NoDetector) };
    let ports = cartvision_engines::detector::inputs(&runtime, first.file, &first.bytes)?;
    let mut model = detector::describe(arguments, first.file, &ports)?;
    for (variant, given) in &detectors {
        let (name, place) = slot(&mut model.variants, *variant);
        *place = Some(draft.add(name, &given.bytes)?);
    }
    let manifest = Manifest {
        format: Manifest::FORMAT,
        name: arguments.name.clone().unwrap_or_else(|| name_of(&arguments.out)),
        version: arguments.bundle_version.clone(),
        detector: model,
        thresholds: Thresholds::default(),
        calibration: Calibration::default(),
        temporal: match &temporal {
            None => None,
            Some(given) => Some(TemporalClassifier {
                feature_version: features::VERSION,
                model: draft.add("temporal.onnx", &given.bytes)?,
            }),
        },
        classes,
        figures,
    };
    let bundle = draft.finish(&manifest)?;
    for (variant, given) in &detectors {
        verify(&runtime, &bundle, *variant).map_err(|e| given.blamed(e))?;
    }
    if let Some(given) = &temporal {
        cartvision_engines::TemporalClassifier::load(&runtime, &bundle)
            .map_err(|e| Error::Temporal(given.blamed(e)))?;
    }
    Ok(Made { bundle: draft.publish()?, runtime })
}

/// What a variant's file is called in the bundle, and where the manifest names it.
fn slot(variants: &mut Variants, variant: Variant) -> (&'static str, &mut Option<FileRef>) {
    match variant {
        Variant::OnnxFp32 => ("detector.onnx", &mut variants.onnx_fp32),
        Variant::OnnxInt8U8 => ("detector-int8-u8.onnx", &mut variants.onnx_int8_u8),
        Variant::OnnxInt8Qdq => ("detector-int8-qdq.onnx", &mut variants.onnx_int8_qdq),
    }
}

/// Runs a variant once, on a grey picture.
fn verify(runtime: &Runtime, bundle: &Bundle, variant: Variant) -> Result<(), EngineError> {
    let mut detector = Detector::load_variant(runtime, bundle, variant, 1)?;
    let (width, height) = detector.input_size();
    let data = vec![128; width * height * 3];
    let grey = Picture { data: &data, width, height, stride: width * 3, format: PixelFormat::Rgb };
    detector.detect(grey, &mut Detections::new())
}

/// The directory's name with what a bundle's name cannot hold replaced.
fn name_of(directory: &Path) -> String {
    let directory = std::path::absolute(directory).unwrap_or_default();
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.+".contains(c) { c } else { '-' };
    name.chars().take(64).map(plain).collect()
}

impl Made {
    fn variants(&self) -> Vec<&'static str> {
        self.bundle.manifest().detector.variants.present().map(|(variant, _)| variant.name()).collect()
    }

    fn labels(&self, role: Role) -> Vec<&str> {
        let classes = &self.bundle.manifest().classes;
        classes.iter().filter(|class| class.role == role).map(|class| class.label.as_str()).collect()
    }

    /// The result for people.
    pub(crate) fn text(&self) -> String {
        let model = &self.bundle.manifest().detector;
        let some = |labels: &[&str]| match labels {
            [] => "none".to_owned(),
            [shown @ .., _] if labels.len() > 8 => {
                format!("{}, … ({} in all)", shown[..7].join(", "), labels.len())
            }
            _ => labels.join(", "),
        };
        let mut text = format!("made {} in {}\n", self.bundle.identity(), self.bundle.directory().display());
        let _ = writeln!(
            text,
            "  detector  {}, {}×{}, {:?} {:?} {:?}, scale {}",
            model.family, model.width, model.height, model.layout, model.dtype, model.colour, model.scale
        );
        let _ = writeln!(text, "  variants  {}", self.variants().join(", "));
        if let Some(temporal) = &self.bundle.manifest().temporal {
            let _ = writeln!(text, "  temporal  for features of version {}", temporal.feature_version);
        }
        let _ = writeln!(text, "  items     {}", some(&self.labels(Role::Item)));
        let _ = writeln!(text, "  unknown   {}", some(&self.labels(Role::Unknown)));
        let _ = writeln!(text, "  hands     {}", some(&self.labels(Role::Hand)));
        let _ = writeln!(text, "  ignored   {} classes", self.labels(Role::Ignore).len());
        let _ = writeln!(
            text,
            "  verified  each ran once on ONNX Runtime {} ({})",
            self.runtime.version(),
            self.runtime.origin()
        );
        let _ = write!(
            text,
            "next: cartvisiond replay --bundle {} --camera cam=VIDEO --events -",
            self.bundle.directory().display()
        );
        text
    }

    /// The result for programs.
    pub(crate) fn json(&self) -> String {
        let model = &self.bundle.manifest().detector;
        serde_json::json!({
            "bundle": self.bundle.identity(),
            "directory": self.bundle.directory(),
            "digest": self.bundle.digest().to_string(),
            "family": model.family.to_string(),
            "input": {"width": model.width, "height": model.height},
            "variants": self.variants(),
            "features_version": self.bundle.manifest().temporal.as_ref().map(|t| t.feature_version),
            "items": self.labels(Role::Item),
            "unknown": self.labels(Role::Unknown),
            "hands": self.labels(Role::Hand),
            "ignored": self.labels(Role::Ignore).len(),
            "onnx_runtime": {"version": self.runtime.version(), "path": self.runtime.path(),
                "found_by": self.runtime.origin().to_string()},
        })
        .to_string()
    }
}
