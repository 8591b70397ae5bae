//! A learned temporal classifier: answers the core's questions from a track's last pictures.

use std::path::{Path, PathBuf};

use cartvision_core::features::{self, ASKED, Asked, ROW, VERSION, WINDOW, Window};
use cartvision_core::{ActProbabilities, Question};
use ort::{
    session::{IoBinding, Session},
    value::Tensor,
};

use crate::{
    bundle::{Bundle, Dtype},
    error::EngineError,
    onnx::{self, Port},
    runtime::Runtime,
};

/// The model's inputs and its output, by name. Softmax and temperature are inside the model.
const INPUTS: [(&str, &[usize]); 2] = [("window", &[1, WINDOW, ROW]), ("asked", &[1, ASKED])];
const OUTPUT: (&str, &[usize]) = ("probabilities", &[1, 3]);

/// How far from 1 three probabilities may sum up, by rounding.
const ROUNDING: f32 = 1e-3;

/// A loaded temporal classifier, on one thread. Its buffers live as long as it does: a question costs no allocation on
/// this side.
#[derive(Debug)]
pub struct TemporalClassifier {
    // Dropped in this order: the binding refers to the tensors and the session.
    binding: IoBinding,
    window: Tensor<f32>,
    asked: Tensor<f32>,
    probabilities: Tensor<f32>,
    session: Session,
    /// For messages.
    file: PathBuf,
}

impl TemporalClassifier {
    /// Loads the bundle's temporal classifier, checks that it is one for the features of this program, and runs it
    /// once on zeros.
    ///
    /// # Errors
    /// [`EngineError::TemporalAbsent`], [`EngineError::FeatureVersion`], [`EngineError::Bundle`],
    /// [`EngineError::NotAModel`], [`EngineError::Temporal`] or [`EngineError::NoProbabilities`].
    pub fn load(runtime: &Runtime, bundle: &Bundle) -> Result<Self, EngineError> {
        let temporal = bundle.manifest().temporal.as_ref();
        let temporal = temporal.ok_or_else(|| EngineError::TemporalAbsent { bundle: bundle.identity() })?;
        let file = bundle.path_of(&temporal.model);
        if temporal.feature_version != VERSION {
            return Err(EngineError::FeatureVersion {
                file,
                found: temporal.feature_version,
                needed: VERSION,
            });
        }
        let bytes = bundle.read(&temporal.model)?;
        let session = onnx::open(runtime, &file, &bytes, 1)?;
        check_ports(&session, &file)?;
        let mut classifier = bind(session, file).map_err(EngineError::failed("preparing its buffers"))?;
        // A shape that the model left open shows itself here, and weights that are no numbers.
        onnx::run_bound(&mut classifier.session, &classifier.binding)
            .map_err(onnx::not_a_model(&classifier.file, "run"))?;
        classifier.read()?;
        Ok(classifier)
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
    /// [`EngineError::Failed`] or [`EngineError::NoProbabilities`].
    pub fn classify(&mut self, window: &Window, asked: &Asked) -> Result<ActProbabilities, EngineError> {
        write(&mut self.window, window.as_flattened())?;
        write(&mut self.asked, asked)?;
        onnx::run_bound(&mut self.session, &self.binding)
            .map_err(EngineError::failed("running the temporal classifier"))?;
        self.read()
    }

    /// The last run's answer.
    fn read(&self) -> Result<ActProbabilities, EngineError> {
        let (_, out) = self
            .probabilities
            .try_extract_tensor::<f32>()
            .map_err(EngineError::failed("reading the temporal classifier's answer"))?;
        let sound = |p: &f32| (-ROUNDING..=1.0 + ROUNDING).contains(p);
        match *out {
            [none, added, removed]
                if out.iter().all(sound) && (none + added + removed - 1.0).abs() <= ROUNDING =>
            {
                // The core takes nothing past 1, not even what is so by rounding.
                let [none, added, removed] = [none, added, removed].map(|p| p.clamp(0.0, 1.0));
                Ok(ActProbabilities { none, added, removed })
            }
            _ => Err(EngineError::NoProbabilities { file: self.file.clone(), found: out.to_vec() }),
        }
    }
}

/// A session with its inputs, all zero, and its output.
fn bind(session: Session, file: PathBuf) -> ort::Result<TemporalClassifier> {
    let zeros = |shape: &[usize]| Tensor::from_array((shape.to_vec(), vec![0.0; shape.iter().product()]));
    let [(window_name, window), (asked_name, asked)] = INPUTS;
    let (window, asked) = (zeros(window)?, zeros(asked)?);
    let mut probabilities = Tensor::new(session.allocator(), OUTPUT.1)?;
    let mut binding = session.create_binding()?;
    binding.bind_input(window_name, &window)?;
    binding.bind_input(asked_name, &asked)?;
    binding.bind_output(OUTPUT.0, &mut probabilities)?;
    Ok(TemporalClassifier { binding, window, asked, probabilities, session, file })
}

fn write(tensor: &mut Tensor<f32>, values: &[f32]) -> Result<(), EngineError> {
    let (_, data) = tensor
        .try_extract_tensor_mut()
        .map_err(EngineError::failed("writing the temporal classifier's input"))?;
    data.copy_from_slice(values);
    Ok(())
}

/// Both inputs, no other, and the output are there.
fn check_ports(session: &Session, file: &Path) -> Result<(), EngineError> {
    let (inputs, outputs) = (onnx::ports(session.inputs()), onnx::ports(session.outputs()));
    let expected = INPUTS.map(|(name, shape)| Port::fixed(name, Dtype::F32, shape));
    let output = Port::fixed(OUTPUT.0, Dtype::F32, OUTPUT.1);
    let has = |ports: &[Port], wanted: &Port| ports.iter().any(|p| p.name == wanted.name && p.can_be(wanted));
    let mismatch = |what, expected: &[Port], found: &[Port]| {
        let (expected, found) = (Port::list(expected), Port::list(found));
        Err(EngineError::Temporal { file: file.to_owned(), what, expected, found })
    };
    if inputs.len() != expected.len() || !expected.iter().all(|wanted| has(&inputs, wanted)) {
        return mismatch("input", &expected, &inputs);
    }
    if !has(&outputs, &output) {
        return mismatch("output", &[output], &outputs);
    }
    Ok(())
}
