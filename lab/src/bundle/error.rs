//! Why no bundle was made.

use std::path::PathBuf;

use cartvision_engines::{BundleError, EngineError};
use cartvision_wire::ExitCode;

use super::Size;
use crate::classes::ClassError;

/// Why no bundle was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Classes(#[from] ClassError),
    #[error("{}: cannot read the {what}: {reason}", file.display())]
    Unreadable { file: PathBuf, what: &'static str, reason: std::io::Error },
    #[error("{}: no figures: {reason}", file.display())]
    Figures { file: PathBuf, reason: String },
    #[error("{}: the model leaves its input size open", file.display())]
    SizeOpen { file: PathBuf },
    #[error("{}: the model's input is {has}, not {}x{}", file.display(), asked.width, asked.height)]
    SizeFixed { file: PathBuf, has: String, asked: Size },
    #[error("{}: its input is {found}, but a detector of pictures takes 1×3×height×width or 1×height×width×3, f32 \
             or u8, or 1×height×width×4, u8 (RGBx)", file.display())]
    Input { file: PathBuf, found: String },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("there is no detector")]
    NoDetector,
    /// About the temporal classifier.
    #[error(transparent)]
    Temporal(EngineError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        let environment = match self {
            Self::Classes(_)
            | Self::Figures { .. }
            | Self::NoDetector
            | Self::SizeOpen { .. }
            | Self::SizeFixed { .. }
            | Self::Input { .. } => false,
            // A path that was typed wrong, most often.
            Self::Unreadable { .. } => false,
            Self::Engine(e) | Self::Temporal(e) => e.is_environment(),
            Self::Bundle(e) => e.is_environment(),
        };
        if environment { ExitCode::Environment } else { ExitCode::Usage }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Classes(e) => e.advice(),
            Self::Unreadable { what: "figures", .. } => "give an existing, readable file with --figures",
            Self::Unreadable { .. } => "give an existing, readable ONNX file",
            Self::Figures { .. } => {
                "give a TOML or JSON file whose top level is a table with --figures, without null in it"
            }
            Self::NoDetector => "give one with --onnx",
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
            Self::Engine(e) | Self::Temporal(e) if e.is_environment() => {
                "mend that and run the same command again"
            }
            Self::Temporal(_) => {
                "give a model with the inputs `window` and `asked` and the output `probabilities` with --temporal"
            }
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
