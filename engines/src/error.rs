//! What can go wrong between a bundle and its detections.

use std::path::PathBuf;

use crate::{
    bundle::{BundleError, Variant},
    detector::{DecodeError, PictureError},
};

/// Why an engine could not be opened, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No ONNX Runtime anywhere.
    #[error("ONNX Runtime was not found; tried {}: run `make setup`, or set ORT_DYLIB_PATH to libonnxruntime.so",
            tried.join(", "))]
    RuntimeMissing {
        /// Every place that was tried, in order.
        tried: Vec<String>,
    },
    /// A file is there, but it is no usable ONNX Runtime.
    #[error("{} is no usable ONNX Runtime: {reason}; run `make setup`, or set ORT_DYLIB_PATH to another one",
            path.display())]
    RuntimeUnusable {
        /// The library that was opened.
        path: PathBuf,
        /// What the loader or the library said.
        reason: String,
    },
    /// ONNX Runtime is older than the interface this program was built for.
    #[error("{} is ONNX Runtime {found}, but at least 1.{needed_minor} is needed; run `make setup`, or set \
             ORT_DYLIB_PATH to a newer one", path.display())]
    RuntimeTooOld {
        /// The library that was opened.
        path: PathBuf,
        /// The version that it states.
        found: String,
        /// The least acceptable minor version of 1.x.
        needed_minor: u32,
    },
    /// The bundle or one of its files is at fault.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The bundle holds no file for the wanted backend.
    #[error("bundle {bundle} has no variant {}; it has: {present}",
            wanted.map_or("for a CPU (onnx-int8-u8 or onnx-fp32)", Variant::name))]
    VariantAbsent {
        /// Identity of the bundle.
        bundle: String,
        /// The variant asked for; `None`: any that a CPU runs.
        wanted: Option<Variant>,
        /// The variants that it has.
        present: String,
    },
    /// ONNX Runtime does not take the file for a model it can run.
    #[error("{}: ONNX Runtime cannot {doing} it: {reason}; export the model again as ONNX (one file, no external \
             data)", file.display())]
    NotAModel {
        /// The model.
        file: PathBuf,
        /// "load" or "run".
        doing: &'static str,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// The model's inputs are not what the bundle says, or not those of a detector.
    #[error("{}: its input is {found}, but {expected} is expected; is this a detector, and does the bundle describe \
             it?", file.display())]
    Input {
        /// The model.
        file: PathBuf,
        /// What the bundle asks for.
        expected: String,
        /// What the model has.
        found: String,
    },
    /// The model's output is not what the family and the class list make one expect.
    #[error("{}: {reason}", file.display())]
    Output {
        /// The model.
        file: PathBuf,
        /// What differs.
        reason: DecodeError,
    },
    /// The picture cannot be given to this model.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The output could not be read as detections.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The bundle has no temporal classifier.
    #[error(
        "bundle {bundle} has no temporal classifier; make it again with `cartlab bundle --temporal FILE`, or choose \
             the classifier \"analytic\""
    )]
    TemporalAbsent {
        /// Identity of the bundle.
        bundle: String,
    },
    /// The temporal classifier was trained on features that mean something else.
    #[error("{}: trained on features of version {found}, but this program has those of version {needed}; train it again \
             on questions of this program (`cartvisiond replay --questions`), use the program that it was trained for, \
             or choose the classifier \"analytic\"", file.display())]
    FeatureVersion {
        /// The model.
        file: PathBuf,
        /// What the bundle says.
        found: u32,
        /// What the core has.
        needed: u32,
    },
    /// The temporal classifier's inputs or outputs are not those of one.
    #[error("{}: its {what} is {found}, but a temporal classifier's is {expected}; export it again", file.display())]
    Temporal {
        /// The model.
        file: PathBuf,
        /// "input" or "output".
        what: &'static str,
        /// What it should have.
        expected: String,
        /// What it has.
        found: String,
    },
    /// A temporal classifier gave something else than three probabilities.
    #[error("{}: the temporal classifier gave {found:?} for none, added and removed, which are no probabilities that sum \
             to 1; is there a softmax at its end, and are its weights sound?", file.display())]
    NoProbabilities {
        /// The model.
        file: PathBuf,
        /// What it gave.
        found: Vec<f32>,
    },
    /// The library between this program and TensorRT is there, and cannot be used.
    #[error("{}: cannot be used to reach TensorRT: {reason}; install the package cartvision-tensorrt for this system's \
             version of it, or remove the file to run on the CPU", path.display())]
    ShimUnusable {
        /// The shim.
        path: PathBuf,
        /// What the loader said, or what differs.
        reason: String,
    },
    /// TensorRT, the driver or the GPU does not do what it is asked.
    #[error(
        "{reason}; `cartvisiond check` says what was found; with model.engine = \"cpu\" the GPU is left alone"
    )]
    TensorRt {
        /// What failed, in the shim's words and TensorRT's.
        reason: String,
    },
    /// TensorRT does not take an engine that was built before: building it again may help.
    #[error("{reason}; `cartvisiond prepare` builds it again")]
    EngineRefused {
        /// What TensorRT said.
        reason: String,
    },
    /// A built engine's file could not be written.
    #[error("{}: cannot {doing} it: {source}; see to it that the folder belongs to this user and the disk has room",
            path.display())]
    EngineFile {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// ONNX Runtime failed while it ran.
    #[error("ONNX Runtime failed while {doing}: {reason}")]
    Failed {
        /// What was going on.
        doing: &'static str,
        /// What ONNX Runtime said.
        reason: String,
    },
}

impl EngineError {
    /// Whether the machine is at fault (exit code 3) and not what the user gave (exit code 2).
    pub fn is_environment(&self) -> bool {
        match self {
            Self::RuntimeMissing { .. }
            | Self::RuntimeUnusable { .. }
            | Self::RuntimeTooOld { .. }
            | Self::ShimUnusable { .. }
            | Self::TensorRt { .. }
            | Self::EngineRefused { .. }
            | Self::EngineFile { .. }
            | Self::Failed { .. } => true,
            Self::Bundle(e) => e.is_environment(),
            Self::VariantAbsent { .. }
            | Self::TemporalAbsent { .. }
            | Self::FeatureVersion { .. }
            | Self::Temporal { .. }
            | Self::NoProbabilities { .. }
            | Self::NotAModel { .. }
            | Self::Input { .. }
            | Self::Output { .. }
            | Self::Picture(_)
            | Self::Decode(_) => false,
        }
    }

    pub(crate) fn failed<R>(doing: &'static str) -> impl FnOnce(ort::Error<R>) -> Self {
        move |e| Self::Failed { doing, reason: e.message().to_owned() }
    }
}

/// An error and what caused it: loaders keep the system's words to the cause.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
