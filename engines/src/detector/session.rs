//! One ONNX Runtime session, with its input and output bound to buffers that live as long as it does.

use std::{fmt, path::Path};

use cartvision_core::Picture;
use ort::{
    AsPointer as _,
    session::{IoBinding, Session as OrtSession, builder::GraphOptimizationLevel},
    value::{Outlet, Tensor, TensorElementType, ValueType},
};

use super::{
    DecodeError, Decoder,
    tensor::{self, Letterbox},
};
use crate::{
    bundle::{DetectorModel, Dtype, Family, TensorLayout},
    error::EngineError,
    runtime::Runtime,
};

/// One input of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type where bundles know it; `None` for any other.
    pub dtype: Option<Dtype>,
    /// Its extents; `None` where the model leaves one open.
    pub shape: Vec<Option<usize>>,
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
    Ok(open(runtime, file, bytes, 1)?.inputs().iter().map(Port::from).collect())
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
fn open(runtime: &Runtime, file: &Path, bytes: &[u8], threads: usize) -> Result<OrtSession, EngineError> {
    let builder = || {
        OrtSession::builder(runtime.environment())?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_parallel_execution(false)?
            .with_intra_threads(threads.max(1))?
            .with_intra_op_spinning(false)
            .map_err(ort::Error::from)
    };
    let mut builder = builder().map_err(EngineError::failed("configuring a session"))?;
    builder.commit_from_memory(bytes).map_err(|e| EngineError::NotAModel {
        file: file.to_owned(),
        doing: "load",
        reason: e.message().to_owned(),
    })
}

#[derive(Debug)]
enum Input {
    F32(Tensor<f32>),
    U8(Tensor<u8>),
}

/// Where the output goes.
#[derive(Debug)]
enum Output {
    /// It always has the same shape: one tensor, overwritten by every run.
    Fixed { tensor: Tensor<f32>, shape: Vec<usize> },
    /// Its shape depends on what is seen: ONNX Runtime allocates it anew in every run.
    Varying,
}

/// A session with its buffers.
#[derive(Debug)]
pub(super) struct Session {
    // Dropped in this order: the binding refers to the tensors and the session.
    binding: IoBinding,
    input: Input,
    output: Output,
    session: OrtSession,
    /// What a byte is multiplied with.
    scale: f32,
}

impl Session {
    pub(super) fn open(
        runtime: &Runtime,
        file: &Path,
        bytes: &[u8],
        model: &DetectorModel,
        decoder: &Decoder,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let mut session = open(runtime, file, bytes, threads)?;
        check_input(&session, file, model)?;

        let failed = || EngineError::failed("preparing the session's buffers");
        let extents = match model.layout {
            TensorLayout::Nchw => [1, 3, model.height, model.width],
            TensorLayout::Nhwc => [1, model.height, model.width, 3],
        };
        let count = extents.iter().product();
        let padding = model.padding.value;
        let input = match model.dtype {
            Dtype::F32 => {
                Tensor::from_array((extents, vec![f32::from(padding) * model.scale; count])).map(Input::F32)
            }
            Dtype::U8 => Tensor::from_array((extents, vec![padding; count])).map(Input::U8),
        }
        .map_err(failed())?;

        let shape = first_run(&mut session, &input, file, decoder)?;
        let port = session.outputs().first().map(Port::from);
        let Some(Port { name, shape: declared, .. }) = port else { return Err(no_output(file, decoder)) };
        let mut binding = session.create_binding().map_err(failed())?;
        let input_name = session.inputs()[0].name().to_owned();
        match &input {
            Input::F32(tensor) => binding.bind_input(input_name, tensor),
            Input::U8(tensor) => binding.bind_input(input_name, tensor),
        }
        .map_err(failed())?;
        // Only end2end detectors may give as many boxes as they see.
        let output = if model.family == Family::End2end && declared.contains(&None) {
            let memory = session.allocator().memory_info();
            binding.bind_output_to_device(name, memory).map_err(failed())?;
            Output::Varying
        } else {
            let mut tensor = Tensor::new(session.allocator(), shape.as_slice()).map_err(failed())?;
            binding.bind_output(name, &mut tensor).map_err(failed())?;
            Output::Fixed { tensor, shape }
        };
        Ok(Self { binding, input, output, session, scale: model.scale })
    }

    /// Writes a picture into the input, see [`tensor::write`].
    pub(super) fn write(
        &mut self,
        picture: &Picture<'_>,
        letterbox: &Letterbox,
        model: &DetectorModel,
        pad: bool,
    ) -> Result<(), EngineError> {
        let failed = || EngineError::failed("writing its input");
        match &mut self.input {
            Input::F32(tensor) => {
                let (_, data) = tensor.try_extract_tensor_mut().map_err(failed())?;
                let scale = self.scale;
                tensor::write(picture, letterbox, model, pad, |byte| f32::from(byte) * scale, data);
            }
            Input::U8(tensor) => {
                let (_, data) = tensor.try_extract_tensor_mut().map_err(failed())?;
                tensor::write(picture, letterbox, model, pad, |byte| byte, data);
            }
        }
        Ok(())
    }

    /// Runs the model on what was written and hands its output and shape to `read`.
    pub(super) fn run(
        &mut self,
        read: impl FnOnce(&[f32], &[usize]) -> Result<(), DecodeError>,
    ) -> Result<(), EngineError> {
        let failed = || EngineError::failed("running the model");
        match &self.output {
            Output::Fixed { tensor, shape } => {
                run_bound(&mut self.session, &self.binding).map_err(failed())?;
                let (_, data) = tensor.try_extract_tensor::<f32>().map_err(failed())?;
                Ok(read(data, shape)?)
            }
            Output::Varying => {
                let outputs = self.session.run_binding(&self.binding).map_err(failed())?;
                let (shape, data) = outputs[0].try_extract_tensor::<f32>().map_err(failed())?;
                let mut extents = [0; 4];
                Ok(read(data, known(shape, &mut extents))?)
            }
        }
    }
}

/// `Session::run_binding` without its bookkeeping, which allocates for every output of every run; ours is in a
/// tensor that we hold anyway.
#[allow(unsafe_code)]
fn run_bound(session: &mut OrtSession, binding: &IoBinding) -> ort::Result<()> {
    // SAFETY: both handles are live, the binding was made from this session and holds its bound values alive; null
    // run options mean the default ones; `&mut` keeps a second run of the session away.
    unsafe {
        let status = (ort::api().RunWithBinding)(session.ptr_mut(), std::ptr::null(), binding.ptr());
        ort::Error::result_from_status(status)
    }
}

/// The extents of a tensor that exists, so none is negative; those past the fourth are of no detector.
fn known<'a>(shape: &[i64], extents: &'a mut [usize; 4]) -> &'a [usize] {
    let rank = shape.len().min(extents.len());
    for (extent, given) in extents.iter_mut().zip(shape) {
        *extent = usize::try_from(*given).unwrap_or(0);
    }
    &extents[..rank]
}

fn check_input(session: &OrtSession, file: &Path, model: &DetectorModel) -> Result<(), EngineError> {
    let (channels_first, channels_last) =
        ([1, 3, model.height, model.width], [1, model.height, model.width, 3]);
    let expected = match model.layout {
        TensorLayout::Nchw => channels_first,
        TensorLayout::Nhwc => channels_last,
    };
    let ports: Vec<Port> = session.inputs().iter().map(Port::from).collect();
    let fits = |port: &Port| {
        port.dtype == Some(model.dtype)
            && port.shape.len() == expected.len()
            && port.shape.iter().zip(expected).all(|(has, wants)| has.is_none_or(|has| has == wants))
            && model.input.as_ref().is_none_or(|name| *name == port.name)
    };
    match ports.as_slice() {
        [port] if fits(port) => Ok(()),
        _ => Err(EngineError::Input {
            file: file.to_owned(),
            expected: Port {
                name: model.input.clone().unwrap_or_else(|| "images".to_owned()),
                dtype: Some(model.dtype),
                shape: expected.map(Some).to_vec(),
            }
            .to_string(),
            found: match ports.as_slice() {
                [] => "nothing".to_owned(),
                ports => ports.iter().map(Port::to_string).collect::<Vec<_>>().join(" and "),
            },
        }),
    }
}

/// Runs the model once, and gives the shape of its first output when that is what the decoder can read.
fn first_run(
    session: &mut OrtSession,
    input: &Input,
    file: &Path,
    decoder: &Decoder,
) -> Result<Vec<usize>, EngineError> {
    let none = session.outputs().is_empty();
    let outputs = match input {
        Input::F32(tensor) => session.run(ort::inputs![tensor]),
        Input::U8(tensor) => session.run(ort::inputs![tensor]),
    }
    .map_err(|e| EngineError::NotAModel {
        file: file.to_owned(),
        doing: "run",
        reason: e.message().to_owned(),
    })?;
    if none {
        return Err(no_output(file, decoder));
    }
    let Ok((shape, _)) = outputs[0].try_extract_tensor::<f32>() else {
        return Err(no_output(file, decoder));
    };
    let shape: Vec<usize> = shape.iter().map(|extent| usize::try_from(*extent).unwrap_or(0)).collect();
    decoder.check(&shape).map_err(|reason| EngineError::Output { file: file.to_owned(), reason })?;
    Ok(shape)
}

fn no_output(file: &Path, decoder: &Decoder) -> EngineError {
    let reason = decoder.unreadable("not a tensor of 32-bit floats");
    EngineError::Output { file: file.to_owned(), reason }
}
