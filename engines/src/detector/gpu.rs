//! A detector's engine on a GPU.

use std::path::Path;

use super::{
    DecodeError, Decoder,
    session::{check_input, no_output},
};
use crate::{
    bundle::{DetectorModel, Dtype},
    error::EngineError,
    tensorrt::{Execution, Gpu, Slice},
};

/// An engine with its buffers.
#[derive(Debug)]
pub(super) struct Session {
    execution: Execution,
    /// Where they lie among the engine's ports.
    input: usize,
    output: usize,
    /// The output's.
    shape: Vec<usize>,
}

impl Session {
    pub(super) fn open(
        gpu: &Gpu,
        file: &Path,
        engine: &[u8],
        model: &DetectorModel,
        decoder: &Decoder,
    ) -> Result<Self, EngineError> {
        let execution = gpu.load(engine)?;
        let (inputs, outputs) = (execution.ports(true), execution.ports(false));
        check_input(&inputs, file, model)?;
        let output = outputs.iter().find(|port| port.dtype == Some(Dtype::F32));
        let output = output.ok_or_else(|| no_output(file, decoder))?;
        // The shim gives no open extents.
        let shape: Vec<usize> = output.shape.iter().map(|extent| extent.unwrap_or(0)).collect();
        decoder.check(&shape).map_err(|reason| EngineError::Output { file: file.to_owned(), reason })?;
        let at = |name: &str| execution.position(name).ok_or_else(|| no_output(file, decoder));
        let (input, output) = (at(&inputs[0].name)?, at(&output.name)?);
        Ok(Self { execution, input, output, shape })
    }

    /// The input's memory.
    pub(super) fn input(&mut self) -> Slice<'_> {
        self.execution.memory(self.input)
    }

    /// Runs the model on what was written and hands its output and shape to `read`.
    pub(super) fn run(
        &mut self,
        read: impl FnOnce(&[f32], &[usize]) -> Result<(), DecodeError>,
    ) -> Result<(), EngineError> {
        self.execution.run()?;
        match self.execution.memory(self.output) {
            Slice::F32(output) => Ok(read(output, &self.shape)?),
            // Chosen for its floats.
            Slice::U8(_) => Ok(read(&[], &self.shape)?),
        }
    }

    pub(super) fn is_captured(&self) -> bool {
        self.execution.is_captured()
    }
}
