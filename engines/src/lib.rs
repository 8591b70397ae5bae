//! Inference: model bundles, and the detectors and temporal classifiers that run them.
//!
//! A [`Bundle`] says what a model is and proves that its files are the ones it was made with; a [`Runtime`] is
//! ONNX Runtime, found and opened; [`tensorrt`] is the same for GPUs; a [`Detector`] is one session of one bundle on one
//! of them, which turns a picture into detections; a [`TemporalClassifier`] is another, which answers the core's
//! questions.
//!
//! Invariants: neither queues nor starts a thread of its own (ONNX Runtime's intra-op threads apart); it is fed one
//! picture or question at a time by whoever owns it. After `load` neither costs a heap allocation on this side.
//! Nothing here scales pictures: they arrive at the fitted size. `unsafe` lives in [`runtime`] (asking a library for
//! its version), in `onnx` (running a bound session) and in [`tensorrt`] (calling the shim), nowhere else.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod bundle;
pub mod detector;
pub mod error;
mod onnx;
pub mod runtime;
pub mod temporal;
pub mod tensorrt;

pub use bundle::{Bundle, BundleError, Draft, Manifest, Variant};
pub use detector::{Detector, Letterbox};
pub use error::EngineError;
pub use runtime::{Origin, Runtime};
pub use temporal::TemporalClassifier;
