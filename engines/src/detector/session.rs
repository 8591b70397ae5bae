//! A detector's session in ONNX Runtime, with its input and output bound to buffers that live as long as it does.

use std::path::Path;

use ort::{
    session::{IoBinding, Session as OrtSession},
    value::Tensor,
};

use super::{DecodeError, Decoder};
use crate::{
    bundle::{DetectorModel, Dtype, Family},
    error::EngineError,
    onnx::{self, Port},
    runtime::Runtime,
    tensorrt::Slice,
};

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
        let mut session = onnx::open(runtime, file, bytes, threads)?;
        check_input(&onnx::ports(session.inputs()), file, model)?;

        let failed = || EngineError::failed("preparing the session's buffers");
        let extents = model.shape();
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
        Ok(Self { binding, input, output, session })
    }

    /// The input's memory.
    pub(super) fn input(&mut self) -> Result<Slice<'_>, EngineError> {
        let slice = match &mut self.input {
            Input::F32(tensor) => tensor.try_extract_tensor_mut().map(|(_, data)| Slice::F32(data)),
            Input::U8(tensor) => tensor.try_extract_tensor_mut().map(|(_, data)| Slice::U8(data)),
        };
        slice.map_err(EngineError::failed("writing its input"))
    }

    /// Runs the model on what was written and hands its output and shape to `read`.
    pub(super) fn run(
        &mut self,
        read: impl FnOnce(&[f32], &[usize]) -> Result<(), DecodeError>,
    ) -> Result<(), EngineError> {
        let failed = || EngineError::failed("running the model");
        match &self.output {
            Output::Fixed { tensor, shape } => {
                onnx::run_bound(&mut self.session, &self.binding).map_err(failed())?;
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

/// The extents of a tensor that exists, so none is negative; those past the fourth are of no detector.
fn known<'a>(shape: &[i64], extents: &'a mut [usize; 4]) -> &'a [usize] {
    let rank = shape.len().min(extents.len());
    for (extent, given) in extents.iter_mut().zip(shape) {
        *extent = usize::try_from(*given).unwrap_or(0);
    }
    &extents[..rank]
}

/// One input, and that is the one of the bundle.
pub(super) fn check_input(inputs: &[Port], file: &Path, model: &DetectorModel) -> Result<(), EngineError> {
    let expected =
        Port::fixed(model.input.as_deref().unwrap_or("images"), model.dtype, model.shape().as_slice());
    let named = |port: &Port| model.input.as_ref().is_none_or(|name| *name == port.name);
    match inputs {
        [port] if port.can_be(&expected) && named(port) => Ok(()),
        found => Err(EngineError::Input {
            file: file.to_owned(),
            expected: expected.to_string(),
            found: Port::list(found),
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
    .map_err(onnx::not_a_model(file, "run"))?;
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

pub(super) fn no_output(file: &Path, decoder: &Decoder) -> EngineError {
    let reason = decoder.unreadable("not a tensor of 32-bit floats");
    EngineError::Output { file: file.to_owned(), reason }
}
