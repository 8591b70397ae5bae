//! One detector: a picture in, detections out.

use std::path::PathBuf;

use cartvision_core::{Detections, Picture};

use crate::{
    bundle::{Bundle, DetectorModel, FileRef, Variant},
    error::EngineError,
    runtime::Runtime,
    tensorrt::Gpu,
};

mod candidates;
mod decode;
mod gpu;
mod session;
mod tensor;

pub use crate::onnx::{Port, inputs};
pub use candidates::MAX_CANDIDATES;
pub use decode::{DecodeError, Decoder};
pub use tensor::{Letterbox, PictureError};

/// A detector of one bundle: one session with its input and output buffers. Not shared: several workers load one
/// each, which on a CPU gives more pictures a second than one session with more threads, and on a GPU lets one's picture
/// travel while another's is looked at.
#[derive(Debug)]
pub struct Detector {
    model: DetectorModel,
    variant: Variant,
    session: Session,
    decoder: Decoder,
    /// How the last picture lay in the input; the padding around it is still there.
    letterbox: Option<Letterbox>,
}

/// Who infers.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a detector is made once, and held where it is used")]
enum Session {
    Cpu(session::Session),
    Gpu(gpu::Session),
}

impl Detector {
    /// Loads the variant that a CPU runs fastest: `onnx-int8-u8`, else `onnx-fp32`. `threads` (at least 1) are
    /// ONNX Runtime's intra-op threads, the caller's included.
    ///
    /// # Errors
    /// As [`Detector::load_variant`].
    pub fn load(runtime: &Runtime, bundle: &Bundle, threads: usize) -> Result<Self, EngineError> {
        let found = first(bundle, [Variant::OnnxInt8U8, Variant::OnnxFp32]);
        let (variant, file) = found.ok_or_else(|| absent(bundle, None))?;
        Self::open(runtime, bundle, variant, file, threads)
    }

    /// Loads one variant, checks it against the bundle, and runs it once on padding: that warms it up and shows
    /// whether it gives what its family promises.
    ///
    /// # Errors
    /// [`EngineError::VariantAbsent`], [`EngineError::Bundle`], [`EngineError::NotAModel`],
    /// [`EngineError::Input`] or [`EngineError::Output`].
    pub fn load_variant(
        runtime: &Runtime,
        bundle: &Bundle,
        variant: Variant,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let file = bundle.manifest().detector.variants.get(variant);
        let file = file.ok_or_else(|| absent(bundle, Some(variant)))?;
        Self::open(runtime, bundle, variant, file, threads)
    }

    fn open(
        runtime: &Runtime,
        bundle: &Bundle,
        variant: Variant,
        file: &FileRef,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let model = &bundle.manifest().detector;
        let path: PathBuf = bundle.path_of(file);
        let decoder = Decoder::new(bundle.manifest());
        let session = session::Session::open(runtime, &path, &bundle.read(file)?, model, &decoder, threads)?;
        Ok(Self { model: model.clone(), variant, session: Session::Cpu(session), decoder, letterbox: None })
    }

    /// What an engine for a GPU is built of: `onnx-int8-qdq`, else `onnx-fp32`.
    ///
    /// # Errors
    /// [`EngineError::VariantAbsent`].
    pub fn gpu_model(bundle: &Bundle) -> Result<(Variant, &FileRef), EngineError> {
        let found = first(bundle, [Variant::OnnxInt8Qdq, Variant::OnnxFp32]);
        found.ok_or_else(|| absent(bundle, Some(Variant::OnnxInt8Qdq)))
    }

    /// Loads an engine that was built of [`Self::gpu_model`] for this GPU, checks it against the bundle, and runs it once.
    ///
    /// # Errors
    /// [`EngineError::VariantAbsent`], [`EngineError::TensorRt`], [`EngineError::Input`] or [`EngineError::Output`].
    pub fn load_engine(gpu: &Gpu, bundle: &Bundle, engine: &[u8]) -> Result<Self, EngineError> {
        let (variant, file) = Self::gpu_model(bundle)?;
        let model = &bundle.manifest().detector;
        let decoder = Decoder::new(bundle.manifest());
        let session = gpu::Session::open(gpu, &bundle.path_of(file), engine, model, &decoder)?;
        let session = Session::Gpu(session);
        Ok(Self { model: model.clone(), variant, session, decoder, letterbox: None })
    }

    /// Detects what is in `picture`, which must already have the fitted size
    /// ([`cartvision_core::picture::fit`] into [`Detector::input_size`]). `out` is overwritten.
    ///
    /// # Errors
    /// [`EngineError::Picture`] for a picture that does not fit, [`EngineError::Failed`] or [`EngineError::TensorRt`] when
    /// the engine fails, [`EngineError::Decode`] when the output makes no sense.
    pub fn detect(&mut self, picture: Picture<'_>, out: &mut Detections) -> Result<(), EngineError> {
        out.clear();
        let letterbox = Letterbox::of(&picture, &self.model)?;
        let repad = self.letterbox != Some(letterbox);
        let input = match &mut self.session {
            Session::Cpu(session) => session.input()?,
            Session::Gpu(session) => session.input(),
        };
        tensor::fill(&picture, &letterbox, &self.model, repad, input);
        self.letterbox = Some(letterbox);
        let read = |output: &[f32], shape: &[usize]| self.decoder.decode(output, shape, &letterbox, out);
        match &mut self.session {
            Session::Cpu(session) => session.run(read),
            Session::Gpu(session) => session.run(read),
        }
    }

    /// Whether each inference is one launch of a recorded CUDA graph; `None` on a CPU.
    pub fn is_captured(&self) -> Option<bool> {
        match &self.session {
            Session::Cpu(_) => None,
            Session::Gpu(session) => Some(session.is_captured()),
        }
    }

    /// The variant that was loaded.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Width and height of the model's input, pixels.
    pub fn input_size(&self) -> (usize, usize) {
        (self.model.width, self.model.height)
    }

    /// Boxes dropped so far because there were too many ([`Decoder::cut`]).
    pub fn cut(&self) -> u64 {
        self.decoder.cut()
    }
}

/// The first of these variants that the bundle has.
fn first(bundle: &Bundle, wanted: [Variant; 2]) -> Option<(Variant, &FileRef)> {
    let variants = &bundle.manifest().detector.variants;
    wanted.into_iter().find_map(|variant| Some((variant, variants.get(variant)?)))
}

fn absent(bundle: &Bundle, wanted: Option<Variant>) -> EngineError {
    let present: Vec<_> = bundle.manifest().detector.variants.present().map(|(v, _)| v.name()).collect();
    EngineError::VariantAbsent { bundle: bundle.identity(), wanted, present: present.join(", ") }
}
