//! A learned temporal classifier: answers the core's questions from a track's last pictures.

use std::path::{Path, PathBuf};

use cartvision_core::features::{self, ASKED, Asked, ROW, VERSION, WINDOW, Window};
use cartvision_core::{ActProbabilities, Question};
use ort::{
    session::{IoBinding, Session},
    value::Tensor,
};

use crate::{
    bundle::{Bundle, Dtype, FileRef},
    error::EngineError,
    onnx::{self, Port},
    runtime::Runtime,
    tensorrt::{Execution, Gpu, Slice},
};

/// The model's inputs and its output, by name. Softmax and temperature are inside the model.
const INPUTS: [(&str, &[usize]); 2] = [("window", &[1, WINDOW, ROW]), ("asked", &[1, ASKED])];
const OUTPUT: (&str, &[usize]) = ("probabilities", &[1, 3]);

/// How far from 1 three probabilities may sum up, by rounding.
const ROUNDING: f32 = 1e-3;

/// A loaded temporal classifier. Its buffers live as long as it does: a question costs no allocation on this side.
#[derive(Debug)]
pub struct TemporalClassifier {
    engine: Engine,
    /// For messages.
    file: PathBuf,
}

/// Who computes.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a classifier is made once, and held where it is used")]
enum Engine {
    /// ONNX Runtime, on one thread. Dropped in this order: the binding refers to the tensors and the session.
    Cpu { binding: IoBinding, inputs: [Tensor<f32>; 2], probabilities: Tensor<f32>, session: Session },
    /// TensorRT; where the ports lie among the engine's.
    Gpu { execution: Execution, inputs: [usize; 2], probabilities: usize },
}

impl TemporalClassifier {
    /// Loads the bundle's temporal classifier, checks that it is one for the features of this program, and runs it
    /// once on zeros.
    ///
    /// # Errors
    /// [`EngineError::TemporalAbsent`], [`EngineError::FeatureVersion`], [`EngineError::Bundle`],
    /// [`EngineError::NotAModel`], [`EngineError::Temporal`] or [`EngineError::NoProbabilities`].
    pub fn load(runtime: &Runtime, bundle: &Bundle) -> Result<Self, EngineError> {
        let model = Self::model(bundle)?;
        let file = bundle.path_of(model);
        let session = onnx::open(runtime, &file, &bundle.read(model)?, 1)?;
        check_ports(&onnx::ports(session.inputs()), &onnx::ports(session.outputs()), &file)?;
        let engine = bind(session).map_err(EngineError::failed("preparing its buffers"))?;
        Self { engine, file }.tried()
    }

    /// Loads an engine that was built of [`Self::model`] for this GPU, and runs it once on zeros.
    ///
    /// # Errors
    /// As [`Self::load`], and [`EngineError::TensorRt`].
    pub fn load_engine(gpu: &Gpu, bundle: &Bundle, engine: &[u8]) -> Result<Self, EngineError> {
        let file = bundle.path_of(Self::model(bundle)?);
        let execution = gpu.load(engine)?;
        let (inputs, outputs) = (execution.ports(true), execution.ports(false));
        check_ports(&inputs, &outputs, &file)?;
        let at = |name| {
            let contradicts = || EngineError::TensorRt { reason: format!("the engine has no {name}") };
            execution.position(name).ok_or_else(contradicts)
        };
        let (inputs, probabilities) = ([at(INPUTS[0].0)?, at(INPUTS[1].0)?], at(OUTPUT.0)?);
        Self { engine: Engine::Gpu { execution, inputs, probabilities }, file }.tried()
    }

    /// The bundle's temporal classifier, where it is one for the features of this program.
    ///
    /// # Errors
    /// [`EngineError::TemporalAbsent`] or [`EngineError::FeatureVersion`].
    pub fn model(bundle: &Bundle) -> Result<&FileRef, EngineError> {
        let temporal = bundle.manifest().temporal.as_ref();
        let temporal = temporal.ok_or_else(|| EngineError::TemporalAbsent { bundle: bundle.identity() })?;
        if temporal.feature_version == VERSION {
            return Ok(&temporal.model);
        }
        let file = bundle.path_of(&temporal.model);
        Err(EngineError::FeatureVersion { file, found: temporal.feature_version, needed: VERSION })
    }

    /// A shape that the model left open shows itself in a first run, and weights that are no numbers.
    fn tried(mut self) -> Result<Self, EngineError> {
        match self.classify(&[[0.0; ROW]; WINDOW], &[0.0; ASKED]) {
            Ok(_) => Ok(self),
            Err(EngineError::Failed { reason, .. }) => {
                Err(EngineError::NotAModel { file: self.file, doing: "run", reason })
            }
            Err(e) => Err(e),
        }
    }

    /// Answers a question that the core asked in its last step, with what the core shows of its track.
    ///
    /// # Errors
    /// As [`Self::classify`].
    pub fn answer(
        &mut self,
        core: &cartvision_core::Session,
        question: &Question,
    ) -> Result<ActProbabilities, EngineError> {
        let mut window = [[0.0; ROW]; WINDOW];
        core.window(question.camera, question.track, &mut window);
        self.classify(&window, &features::asked(question))
    }

    /// Answers a question. What comes out and is no probabilities (a number that is none, a sum that is not 1) is
    /// an error and no answer: it is for the caller to ask somebody else, and to tell of it.
    ///
    /// # Errors
    /// [`EngineError::Failed`], [`EngineError::TensorRt`] or [`EngineError::NoProbabilities`].
    pub fn classify(&mut self, window: &Window, asked: &Asked) -> Result<ActProbabilities, EngineError> {
        let values = [window.as_flattened(), asked.as_slice()];
        match &mut self.engine {
            Engine::Cpu { binding, inputs, probabilities, session } => {
                for (input, values) in inputs.iter_mut().zip(values) {
                    let (_, data) = input
                        .try_extract_tensor_mut()
                        .map_err(EngineError::failed("writing the temporal classifier's input"))?;
                    data.copy_from_slice(values);
                }
                onnx::run_bound(session, binding)
                    .map_err(EngineError::failed("running the temporal classifier"))?;
                let (_, out) = probabilities
                    .try_extract_tensor::<f32>()
                    .map_err(EngineError::failed("reading the temporal classifier's answer"))?;
                read(out, &self.file)
            }
            Engine::Gpu { execution, inputs, probabilities } => {
                for (input, values) in inputs.iter().zip(values) {
                    if let Slice::F32(data) = execution.memory(*input) {
                        data.copy_from_slice(values);
                    }
                }
                execution.run()?;
                match execution.memory(*probabilities) {
                    Slice::F32(out) => read(out, &self.file),
                    // Its type was checked when it was loaded.
                    Slice::U8(_) => read(&[], &self.file),
                }
            }
        }
    }
}

/// Three numbers that may be probabilities.
fn read(out: &[f32], file: &Path) -> Result<ActProbabilities, EngineError> {
    let sound = |p: &f32| (-ROUNDING..=1.0 + ROUNDING).contains(p);
    match *out {
        [none, added, removed]
            if out.iter().all(sound) && (none + added + removed - 1.0).abs() <= ROUNDING =>
        {
            // The core takes nothing past 1, not even what is so by rounding.
            let [none, added, removed] = [none, added, removed].map(|p| p.clamp(0.0, 1.0));
            Ok(ActProbabilities { none, added, removed })
        }
        _ => Err(EngineError::NoProbabilities { file: file.to_owned(), found: out.to_vec() }),
    }
}

/// A session with its inputs, all zero, and its output.
fn bind(session: Session) -> ort::Result<Engine> {
    let zeros = |shape: &[usize]| Tensor::from_array((shape.to_vec(), vec![0.0; shape.iter().product()]));
    let inputs = [zeros(INPUTS[0].1)?, zeros(INPUTS[1].1)?];
    let mut probabilities = Tensor::new(session.allocator(), OUTPUT.1)?;
    let mut binding = session.create_binding()?;
    for ((name, _), tensor) in INPUTS.iter().zip(&inputs) {
        binding.bind_input(*name, tensor)?;
    }
    binding.bind_output(OUTPUT.0, &mut probabilities)?;
    Ok(Engine::Cpu { binding, inputs, probabilities, session })
}

/// Both inputs, no other, and the output are there.
fn check_ports(inputs: &[Port], outputs: &[Port], file: &Path) -> Result<(), EngineError> {
    let expected = INPUTS.map(|(name, shape)| Port::fixed(name, Dtype::F32, shape));
    let output = Port::fixed(OUTPUT.0, Dtype::F32, OUTPUT.1);
    let has = |ports: &[Port], wanted: &Port| ports.iter().any(|p| p.name == wanted.name && p.can_be(wanted));
    let mismatch = |what, expected: &[Port], found: &[Port]| {
        let (expected, found) = (Port::list(expected), Port::list(found));
        Err(EngineError::Temporal { file: file.to_owned(), what, expected, found })
    };
    if inputs.len() != expected.len() || !expected.iter().all(|wanted| has(inputs, wanted)) {
        return mismatch("input", &expected, inputs);
    }
    if !has(outputs, &output) {
        return mismatch("output", &[output], outputs);
    }
    Ok(())
}
