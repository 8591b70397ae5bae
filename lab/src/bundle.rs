//! `cartlab bundle`: from anybody's export to a bundle that was seen to run.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use cartvision_core::{Detections, Picture, PixelFormat, Role};
use cartvision_engines::{
    Bundle, BundleError, Detector, Draft, EngineError, Manifest, Runtime,
    bundle::{
        Calibration, Colour, DetectorModel, Dtype, Family, Padding, Placement, TensorLayout, Thresholds,
        Variants,
    },
    detector::{self, Port},
};
use cartvision_wire::ExitCode;

use crate::classes::{self, ClassError};

const EXAMPLE: &str = "\
Example:
  cartlab bundle --onnx yolox_nano.onnx --family yolox --classes coco_classes.txt \\
      --items bottle=08901030865278,cup --hand person --out bundles/drinks";

/// Make a model bundle from an exported detector, and run it once to see that it works
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Arguments {
    /// The exported detector: one ONNX file
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
    /// How its output is to be read: `yolox` (1×N×(5+classes)), `yolo` (1×(4+classes)×N, as YOLOv8, 9 and 11 export)
    /// or `end2end` (1×N×6)
    #[arg(long)]
    family: FamilyName,
    /// The class list the model was trained with: one label a line, in the order of its outputs
    #[arg(long, value_name = "FILE")]
    classes: PathBuf,
    /// The classes that are sold, with their catalogue ids where these are not the labels; `all` (or `*`) means every
    /// class that is no hand. Classes that are neither are ignored
    #[arg(long, value_name = "LABEL[=ID],…", value_delimiter = ',', required = true)]
    items: Vec<String>,
    /// The classes that are hands or arms
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    hand: Vec<String>,
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
    /// Order of the colour channels [default: bgr for yolox, otherwise rgb]
    #[arg(long)]
    colour: Option<ColourName>,
    /// Replace a bundle that is already there
    #[arg(long)]
    force: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FamilyName {
    Yolox,
    Yolo,
    End2end,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ColourName {
    Rgb,
    Bgr,
}

/// Width and height of an input, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    width: usize,
    height: usize,
}

impl Size {
    /// Width, then height.
    pub(crate) fn sides(self) -> [usize; 2] {
        [self.width, self.height]
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it like 416x416";
        let (width, height) = text.split_once(['x', '×']).ok_or(wrong)?;
        let side = |text: &str| text.trim().parse().ok().filter(|side| *side > 0).ok_or(wrong);
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

/// Why no bundle was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Classes(#[from] ClassError),
    #[error("{}: cannot read the model: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: std::io::Error },
    #[error("{}: the model leaves its input size open", file.display())]
    SizeOpen { file: PathBuf },
    #[error("{}: the model's input is {has}, not {}x{}", file.display(), asked.width, asked.height)]
    SizeFixed { file: PathBuf, has: String, asked: Size },
    #[error("{}: its input is {found}, but a detector of pictures takes 1×3×height×width or 1×height×width×3, f32 \
             or u8", file.display())]
    Input { file: PathBuf, found: String },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        let environment = match self {
            Self::Classes(_) | Self::SizeOpen { .. } | Self::SizeFixed { .. } | Self::Input { .. } => false,
            // A path that was typed wrong, most often.
            Self::Unreadable { .. } => false,
            Self::Engine(e) => e.is_environment(),
            Self::Bundle(e) => e.is_environment(),
        };
        if environment { ExitCode::Environment } else { ExitCode::Usage }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Classes(e) => e.advice(),
            Self::Unreadable { .. } => "give an existing, readable ONNX file with --onnx",
            Self::SizeOpen { .. } => {
                "state it with --input, like --input 640x640: the size the model was trained at"
            }
            Self::SizeFixed { .. } => "leave --input out, or export the model again at that size",
            Self::Input { .. } => {
                "give a detector with --onnx, exported in 32-bit floats for one picture at a time"
            }
            Self::Engine(EngineError::Output { .. }) => {
                "check --family and --classes against the model's export"
            }
            Self::Engine(e) if e.is_environment() => "mend that and run the same command again",
            Self::Engine(EngineError::Bundle(BundleError::Invalid { .. }))
            | Self::Bundle(BundleError::Invalid { .. }) => {
                "choose another value for that with this command's options"
            }
            Self::Engine(_) => "give a detector with --onnx that ONNX Runtime can run",
            Self::Bundle(BundleError::Io { .. }) => "give a place that can be written with --out",
            Self::Bundle(_) => "see --out and --force",
        }
    }
}

/// A bundle that was made.
#[derive(Debug)]
pub(crate) struct Made {
    bundle: Bundle,
    runtime: Runtime,
}

/// Makes the bundle. It appears in its place only when it has been run.
pub(crate) fn run(arguments: &Arguments) -> Result<Made, Error> {
    let labels = classes::labels(&arguments.classes)?;
    let classes = classes::roles(&labels, &arguments.items, &arguments.hand, &arguments.classes)?;
    let onnx = fs::read(&arguments.onnx)
        .map_err(|reason| Error::Unreadable { file: arguments.onnx.clone(), reason })?;
    // Before the engine is asked, so that a place that is taken is told at once.
    let draft = Draft::begin(&arguments.out, arguments.force)?;

    let runtime = Runtime::open()?;
    let ports = detector::inputs(&runtime, &arguments.onnx, &onnx)?;
    let mut model = describe(arguments, &ports)?;
    model.variants.onnx_fp32 = Some(draft.add("detector.onnx", &onnx)?);
    let manifest = Manifest {
        format: Manifest::FORMAT,
        name: arguments.name.clone().unwrap_or_else(|| name_of(&arguments.out)),
        version: arguments.bundle_version.clone(),
        detector: model,
        thresholds: Thresholds::default(),
        calibration: Calibration::default(),
        temporal: None,
        classes,
        figures: [("verified_with".to_owned(), format!("ONNX Runtime {}", runtime.version()).into())]
            .into_iter()
            .collect(),
    };
    let bundle = draft.finish(&manifest)?;
    verify(&runtime, &bundle, &arguments.onnx)?;
    Ok(Made { bundle: draft.publish()?, runtime })
}

/// What the family and the model's one input say about it; the files are left to the caller.
fn describe(arguments: &Arguments, ports: &[Port]) -> Result<DetectorModel, Error> {
    let file = || arguments.onnx.clone();
    let wrong = || {
        let found: Vec<_> = ports.iter().map(Port::to_string).collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join(" and ") };
        Error::Input { file: file(), found }
    };
    let [Port { name, dtype: Some(dtype), shape }] = ports else { return Err(wrong()) };
    let (layout, width, height) = match shape.as_slice() {
        [None | Some(1), Some(3), height, width] => (TensorLayout::Nchw, *width, *height),
        [None | Some(1), height, width, Some(3)] => (TensorLayout::Nhwc, *width, *height),
        _ => return Err(wrong()),
    };
    let asked = arguments.input;
    let differs = |has: Option<usize>, asked: Option<usize>| has.is_some() && asked.is_some() && has != asked;
    if let Some(asked) = asked
        && (differs(width, Some(asked.width)) || differs(height, Some(asked.height)))
    {
        let side = |side: Option<usize>| side.map_or("?".to_owned(), |side| side.to_string());
        let has = format!("{}x{}", side(width), side(height));
        return Err(Error::SizeFixed { file: file(), has, asked });
    }
    let width = width.or(asked.map(|a| a.width)).ok_or_else(|| Error::SizeOpen { file: file() })?;
    let height = height.or(asked.map(|a| a.height)).ok_or_else(|| Error::SizeOpen { file: file() })?;

    let (family, colour, scale, placement) = match arguments.family {
        FamilyName::Yolox => (Family::Yolox, Colour::Bgr, 1.0, Placement::TopLeft),
        FamilyName::Yolo => (Family::Yolo, Colour::Rgb, 1.0 / 255.0, Placement::Centre),
        FamilyName::End2end => (Family::End2end, Colour::Rgb, 1.0 / 255.0, Placement::Centre),
    };
    Ok(DetectorModel {
        family,
        input: Some(name.clone()),
        width,
        height,
        layout,
        dtype: *dtype,
        colour: arguments.colour.map_or(colour, |colour| match colour {
            ColourName::Rgb => Colour::Rgb,
            ColourName::Bgr => Colour::Bgr,
        }),
        scale: arguments.scale.unwrap_or(if *dtype == Dtype::U8 { 1.0 } else { scale }),
        padding: Padding { value: 114, placement },
        variants: Variants::default(),
    })
}

/// Runs the bundle once, on a grey picture. Errors name the file that the user gave, not our copy of it.
fn verify(runtime: &Runtime, bundle: &Bundle, onnx: &Path) -> Result<(), Error> {
    let run = || {
        let mut detector = Detector::load(runtime, bundle, 1)?;
        let (width, height) = detector.input_size();
        let data = vec![128; width * height * 3];
        let grey = Picture { data: &data, width, height, stride: width * 3, format: PixelFormat::Rgb };
        detector.detect(grey, &mut Detections::new())
    };
    run().map_err(|mut error| {
        if let EngineError::NotAModel { file, .. }
        | EngineError::Input { file, .. }
        | EngineError::Output { file, .. } = &mut error
        {
            *file = onnx.to_owned();
        }
        error.into()
    })
}

/// The directory's name with what a bundle's name cannot hold replaced.
fn name_of(directory: &Path) -> String {
    let directory = std::path::absolute(directory).unwrap_or_default();
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.+".contains(c) { c } else { '-' };
    name.chars().take(64).map(plain).collect()
}

impl Made {
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
        let _ = writeln!(text, "  items     {}", some(&self.labels(Role::Item)));
        let _ = writeln!(text, "  hands     {}", some(&self.labels(Role::Hand)));
        let _ = writeln!(text, "  ignored   {} classes", self.labels(Role::Ignore).len());
        let _ = writeln!(
            text,
            "  verified  ran once on ONNX Runtime {} ({})",
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
            "items": self.labels(Role::Item),
            "hands": self.labels(Role::Hand),
            "ignored": self.labels(Role::Ignore).len(),
            "onnx_runtime": {"version": self.runtime.version(), "path": self.runtime.path(),
                "found_by": self.runtime.origin().to_string()},
        })
        .to_string()
    }
}
