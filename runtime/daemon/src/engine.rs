//! What infers on this cart: the GPU where TensorRT has one, else the CPU.
//!
//! ```text
//!         nothing to reach a GPU with is installed, or model.engine = "cpu"
//! open() ───────────────────────────────────────────────────────────────────► Cpu
//!   │ engines are built, and run ───────────────────────────────────────────► Gpu
//!   │ they are to be built, or TensorRT refuses what is kept
//!   ├──────────────────► Building: the CPU meanwhile, degraded ──────────────► Gpu
//!   │                             └── fails ──┐
//!   └ no driver, another TensorRT, … ─────────┴─────► Fallback: the CPU, degraded
//! ```
//!
//! The CPU is never taken silently where a GPU was meant to work: the state says why.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cartvision_engines::bundle::FileRef;
use cartvision_engines::tensorrt::{Cache, Engine, Gpu, Library, Progress};
use cartvision_engines::{Bundle, Detector, EngineError, Runtime, TemporalClassifier};

use crate::classifier::{Classifier, Kind};
use crate::facts::Fact;
use crate::failure::Failure;

/// The folder of built engines, within the state directory.
pub(crate) const FOLDER: &str = "engines";

/// What shall infer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A GPU where what reaches one is installed, else the CPU.
    #[default]
    Best,
    /// A GPU; without one the cart is degraded.
    Tensorrt,
    /// The CPU, whatever else there is.
    Cpu,
}

impl Wanted {
    /// By its name in the configuration.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "" => Some(Self::Best),
            "tensorrt" => Some(Self::Tensorrt),
            "cpu" => Some(Self::Cpu),
            _ => None,
        }
    }
}

/// A bundle's models on a GPU: the detector's and, where the learned classifier is wanted, the classifier's.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) gpu: Gpu,
    cache: Cache,
    bundle: Bundle,
    classifier: Option<Kind>,
    /// TensorRT refuses what is kept, although the files are whole: all is built again.
    distrusted: bool,
}

/// A model, and what there is of it for the GPU.
pub(crate) struct Model<'a> {
    pub(crate) file: &'a FileRef,
    pub(crate) engine: Engine,
}

impl Site {
    /// The models to have engines of, the detector's first.
    pub(crate) fn models(&self) -> Result<Vec<Model<'_>>, EngineError> {
        let learned = Classifier::kind_of(self.classifier, &self.bundle) == Kind::Learned;
        let temporal = learned.then(|| TemporalClassifier::model(&self.bundle)).transpose()?;
        let files = std::iter::once(Detector::gpu_model(&self.bundle)?.1).chain(temporal);
        files.map(|file| Ok(Model { file, engine: self.cache.state(&self.gpu, file.sha256)? })).collect()
    }

    /// Builds what is not built, and gives every engine. `progress` is told of each step, and answers whether to go on.
    pub(crate) fn build(
        &self,
        progress: &mut (dyn FnMut(&str, Progress<'_>) -> bool + Send),
    ) -> Result<Vec<Vec<u8>>, EngineError> {
        let mut engines = Vec::new();
        for Model { file, engine } in self.models()? {
            engines.push(match engine {
                Engine::Ready(engine) if !self.distrusted => engine,
                _ => {
                    let began = Instant::now();
                    tracing::info!(model = file.file, engine = engine.describe(), "building it for the GPU");
                    let onnx = self.bundle.read(file)?;
                    let built = self.gpu.build(&onnx, &mut |at| progress(&file.file, at))?;
                    self.cache.put(&self.gpu, file.sha256, &built)?;
                    tracing::info!(model = file.file, seconds = began.elapsed().as_secs(), "built");
                    built
                }
            });
        }
        Ok(engines)
    }

    /// Loads what was built before: so many detectors, and the classifier. `None` where something is to be built, also
    /// what TensorRT refuses.
    pub(crate) fn load_kept(&mut self, count: usize) -> Result<Option<Inference>, EngineError> {
        let ready = |model: Model<'_>| match model.engine {
            Engine::Ready(engine) => Some(engine),
            _ => None,
        };
        let engines: Option<Vec<_>> = self.models()?.into_iter().map(ready).collect();
        let Some(engines) = engines else { return Ok(None) };
        match self.load(&engines, count) {
            Ok(inference) => Ok(Some(inference)),
            Err(why) => {
                tracing::warn!("what was built for this GPU before is built again: {why}");
                self.distrusted = true;
                Ok(None)
            }
        }
    }

    /// Loads engines: so many detectors, and the classifier.
    pub(crate) fn load(&self, engines: &[Vec<u8>], count: usize) -> Result<Inference, Failure> {
        let [detector, temporal @ ..] = engines else {
            return Err(Failure::defect("there is no engine of a detector"));
        };
        let load = |_| Detector::load_engine(&self.gpu, &self.bundle, detector);
        let detectors = (0..count).map(load).collect::<Result<Vec<_>, _>>()?;
        let captured = detectors.first().and_then(Detector::is_captured);
        let (library, device) = (self.gpu.library(), self.gpu.device());
        tracing::info!(tensorrt = library.built_for(), gpu = %device, cuda_graph = captured, "engine ready");
        let classifier = match temporal {
            [temporal, ..] => {
                Classifier::learned(TemporalClassifier::load_engine(&self.gpu, &self.bundle, temporal)?)
            }
            [] => Classifier::load(self.classifier, &self.bundle)?,
        };
        Ok(Inference { detectors, classifier })
    }
}

/// What looks at pictures, and what answers questions.
pub(crate) struct Inference {
    pub(crate) detectors: Vec<Detector>,
    pub(crate) classifier: Classifier,
}

/// Where a cart infers.
pub(crate) enum Place {
    /// On the CPU, as it should.
    Cpu,
    /// On the GPU.
    Gpu,
    /// On the CPU until the engines are built.
    Building(Box<Site>),
    /// On the CPU, because the GPU cannot be used.
    Fallback(String),
}

/// Looks for a GPU; `None` where there shall be none.
pub(crate) fn site(
    wanted: Wanted,
    state_dir: &Path,
    bundle: &Bundle,
    classifier: Option<Kind>,
) -> Result<Option<Site>, EngineError> {
    if wanted == Wanted::Cpu {
        return Ok(None);
    }
    let Some(library) = Library::open()? else {
        return match wanted {
            Wanted::Tensorrt => Err(EngineError::TensorRt {
                reason: "model.engine is \"tensorrt\", but what reaches it is not installed (libcartvision_tensorrt.so of the package cartvision-tensorrt)".to_owned(),
            }),
            _ => Ok(None),
        };
    };
    let gpu = library.gpu()?;
    let cache = Cache::at(state_dir.join(FOLDER));
    Ok(Some(Site { gpu, cache, bundle: bundle.clone(), classifier, distrusted: false }))
}

/// What a cart's configuration says of inference.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) wanted: Wanted,
    pub(crate) state_dir: PathBuf,
    pub(crate) classifier: Option<Kind>,
    pub(crate) threads: usize,
}

/// Opens what there is; on the CPU at the worst.
pub(crate) fn open(settings: &Settings, bundle: &Bundle) -> Result<(Inference, Place), Failure> {
    let Settings { wanted, ref state_dir, classifier, threads } = *settings;
    let on_gpu = site(wanted, state_dir, bundle, classifier).map_err(Failure::from).and_then(|site| {
        let Some(mut site) = site else { return Ok((None, Place::Cpu)) };
        Ok(match site.load_kept(threads)? {
            Some(inference) => (Some(inference), Place::Gpu),
            None => (None, Place::Building(Box::new(site))),
        })
    });
    let (inference, place) = on_gpu.unwrap_or_else(|why| (None, Place::Fallback(why.to_string())));
    let inference = match inference {
        Some(inference) => inference,
        None => on_cpu(bundle, threads, classifier)?,
    };
    let kind = inference.classifier.kind();
    tracing::info!(bundle = bundle.identity(), threads, classifier = %kind, "inference is ready");
    if let Place::Fallback(why) = &place {
        tracing::error!("{why}; the CPU infers instead");
    }
    Ok((inference, place))
}

fn on_cpu(bundle: &Bundle, threads: usize, classifier: Option<Kind>) -> Result<Inference, Failure> {
    let runtime = Runtime::open()?;
    let detectors = crate::inference::detectors(&runtime, bundle, threads)?;
    tracing::info!(onnxruntime = %runtime.path().display(), "engine ready");
    Ok(Inference { detectors, classifier: Classifier::load(classifier, bundle)? })
}

/// Detectors that wait for workers to take them in place of their own: one for each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Arc<Mutex<Vec<Detector>>>);

impl Spares {
    /// The next one, if any waits.
    pub(crate) fn take(&self) -> Option<Detector> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, detectors: Vec<Detector>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = detectors;
    }
}

/// What the builder tells the loop.
#[derive(Debug)]
pub(crate) enum EngineFact {
    /// The GPU infers from now on: workers have their detectors, and this is the classifier.
    Ready(Box<Classifier>),
    /// It does not, and will not before the next start.
    Failed(String),
}

/// Builds engines beside the running cart.
pub(crate) struct Builder {
    thread: JoinHandle<()>,
    given_up: Arc<AtomicBool>,
}

impl Builder {
    /// Starts; the loop hears what came of it.
    pub(crate) fn start(
        site: Site,
        settings: &Settings,
        spares: Spares,
        facts: SyncSender<Fact>,
    ) -> Result<Self, Failure> {
        let given_up = Arc::new(AtomicBool::new(false));
        let (stop, settings) = (given_up.clone(), settings.clone());
        let work = move || {
            let mut said = Instant::now();
            let mut progress = |model: &str, at: Progress<'_>| {
                if said.elapsed() > Duration::from_secs(10) {
                    said = Instant::now();
                    tracing::info!(model, phase = at.phase, step = at.step, of = at.steps, "building");
                }
                !stop.load(Ordering::Relaxed)
            };
            let built = site.build(&mut progress).map_err(Failure::from);
            let fact = match built.and_then(|e| site.load(&e, settings.threads)) {
                Ok(Inference { detectors, classifier }) => {
                    spares.give(detectors);
                    EngineFact::Ready(Box::new(classifier))
                }
                Err(why) => EngineFact::Failed(why.to_string()),
            };
            // The loop is gone: nobody wants to know.
            _ = facts.send(Fact::Engine(fact));
        };
        let thread = std::thread::Builder::new()
            .name("engine-builder".to_owned())
            .spawn(work)
            .map_err(|e| Failure::environment(format_args!("cannot start a thread: {e}")))?;
        Ok(Self { thread, given_up })
    }

    /// Gives up what is not done; a step of TensorRT's may take longer than anybody waits.
    pub(crate) fn stop(self, by: Instant) {
        self.given_up.store(true, Ordering::Relaxed);
        while !self.thread.is_finished() && Instant::now() < by {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
