//! An ONNX model in ONNX Runtime: what goes in and out of it, and a session that is run on buffers of ours.

use std::{fmt, path::Path};

use ort::{
    AsPointer as _,
    session::{IoBinding, Session, builder::GraphOptimizationLevel},
    value::{Outlet, TensorElementType, ValueType},
};

use crate::{bundle::Dtype, error::EngineError, runtime::Runtime};

/// One input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type where bundles know it; `None` for any other.
    pub dtype: Option<Dtype>,
    /// Its extents; `None` where the model leaves one open.
    pub shape: Vec<Option<usize>>,
}

impl Port {
    /// One of this type whose extents are all given.
    pub(crate) fn fixed(name: &str, dtype: Dtype, shape: &[usize]) -> Self {
        let shape = shape.iter().copied().map(Some).collect();
        Self { name: name.to_owned(), dtype: Some(dtype), shape }
    }

    /// Whether it can be `wanted`, whose extents are all given; what the model leaves open, it can be. Names are left
    /// to the caller.
    pub(crate) fn can_be(&self, wanted: &Self) -> bool {
        self.dtype == wanted.dtype
            && self.shape.len() == wanted.shape.len()
            && self.shape.iter().zip(&wanted.shape).all(|(has, wants)| has.is_none() || has == wants)
    }

    /// Several of them, for people.
    pub(crate) fn list(ports: &[Self]) -> String {
        match ports {
            [] => "nothing".to_owned(),
            ports => ports.iter().map(Self::to_string).collect::<Vec<_>>().join(" and "),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (", self.name)?;
        for (i, extent) in self.shape.iter().enumerate() {
            let sign = if i == 0 { "" } else { "×" };
            match extent {
                Some(extent) => write!(f, "{sign}{extent}")?,
                None => write!(f, "{sign}?")?,
            }
        }
        f.write_str(match self.dtype {
            Some(Dtype::F32) => ", f32)",
            Some(Dtype::U8) => ", u8)",
            None => ", another type)",
        })
    }
}

impl From<&Outlet> for Port {
    fn from(outlet: &Outlet) -> Self {
        let (dtype, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => {
                let dtype = match ty {
                    TensorElementType::Float32 => Some(Dtype::F32),
                    TensorElementType::Uint8 => Some(Dtype::U8),
                    _ => None,
                };
                (dtype, shape.iter().map(|extent| usize::try_from(*extent).ok()).collect())
            }
            _ => (None, Vec::new()),
        };
        Self { name: outlet.name().to_owned(), dtype, shape }
    }
}

/// The inputs of the ONNX model in `bytes`; `file` is for messages.
///
/// # Errors
/// [`EngineError::NotAModel`] or [`EngineError::Failed`].
pub fn inputs(runtime: &Runtime, file: &Path, bytes: &[u8]) -> Result<Vec<Port>, EngineError> {
    Ok(ports(open(runtime, file, bytes, 1)?.inputs()))
}

/// What a session says of its inputs or outputs.
pub(crate) fn ports(outlets: &[Outlet]) -> Vec<Port> {
    outlets.iter().map(Port::from).collect()
}

/// A session as it measured best on a busy two-core x86-64 machine with YOLOX-Nano (`examples/inference_cost.rs`;
/// CPU time an inference, as a ratio to one plain session with one thread in the same round, medians):
/// - two sessions of one thread 1.01 to 1.15, one session of two threads 1.2 to 1.4: so one thread each, where there
///   are pictures enough;
/// - two threads that spin while they wait 1.39 on a quiet machine, with more inferences a second than any other,
///   but 2.3 where others want the cores: waiting;
/// - all graph optimizations; only the first or second level 1.20 to 1.30;
/// - memory patterns off, denormals flushed 0.99 to 1.03: noise, so left at their defaults; prepacking off 1.05.
///
/// `Detector::detect` as a whole: 1.01 to 1.06.
pub(crate) fn open(
    runtime: &Runtime,
    file: &Path,
    bytes: &[u8],
    threads: usize,
) -> Result<Session, EngineError> {
    let builder = || {
        Session::builder(runtime.environment())?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_parallel_execution(false)?
            .with_intra_threads(threads.max(1))?
            .with_intra_op_spinning(false)
            .map_err(ort::Error::from)
    };
    let mut builder = builder().map_err(EngineError::failed("configuring a session"))?;
    builder.commit_from_memory(bytes).map_err(not_a_model(file, "load"))
}

/// ONNX Runtime does not take the file for a model, or cannot run it the first time.
pub(crate) fn not_a_model<R>(file: &Path, doing: &'static str) -> impl FnOnce(ort::Error<R>) -> EngineError {
    move |e| EngineError::NotAModel { file: file.to_owned(), doing, reason: e.message().to_owned() }
}

/// `Session::run_binding` without its bookkeeping, which allocates for every output of every run; ours is in a
/// tensor that we hold anyway.
#[allow(unsafe_code)]
pub(crate) fn run_bound(session: &mut Session, binding: &IoBinding) -> ort::Result<()> {
    // SAFETY: both handles are live, the binding was made from this session and holds its bound values alive; null
    // run options mean the default ones; `&mut` keeps a second run of the session away.
    unsafe {
        let status = (ort::api().RunWithBinding)(session.ptr_mut(), std::ptr::null(), binding.ptr());
        ort::Error::result_from_status(status)
    }
}
