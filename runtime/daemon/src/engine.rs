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
//!
//! Gpu ─── fails on picture after picture ───────────► the CPU, degraded, until the next start
//! ```
//!
//! The CPU is never taken silently where a GPU was meant to work: the state says why.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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
/// How often in a row a build may end the whole process (memory that runs out, a fault of a driver's) until none is tried
/// beside a running cart.
const DEATHS: u32 = 3;

/// Builds that were begun beside a cart and did not return, in a file: whatever ended the process once may do so again.
#[derive(Clone, Debug)]
struct Deaths {
    file: PathBuf,
    /// What is built, and by what.
    key: String,
}

impl Deaths {
    fn count(&self) -> u32 {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let count = text.split_once(' ').filter(|(_, key)| *key == self.key).map(|(count, _)| count.parse());
        count.and_then(Result::ok).unwrap_or(0)
    }

    /// A build begins. Without the file it is not known of the next one; that is no reason not to build.
    fn begin(&self) {
        if let Some(folder) = self.file.parent() {
            _ = std::fs::create_dir_all(folder);
        }
        _ = std::fs::write(&self.file, format!("{} {}", self.count() + 1, self.key));
    }

    /// It returned, or was given up.
    fn end(&self) {
        _ = std::fs::remove_file(&self.file);
    }
}

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
    deaths: Deaths,
}

/// A model, and what there is of it for the GPU.
pub(crate) struct Model<'a> {
    pub(crate) file: &'a FileRef,
    pub(crate) engine: Engine,
}

/// The engines of a bundle's models, the detector's first.
pub(crate) struct Built {
    pub(crate) engines: Vec<Vec<u8>>,
    /// Why some are not on disk, where the next start would find them.
    pub(crate) unkept: Option<EngineError>,
}

impl Site {
    /// The models to have engines of, the detector's first.
    pub(crate) fn models(&self) -> Result<Vec<Model<'_>>, EngineError> {
        let learned = Classifier::kind_of(self.classifier, &self.bundle) == Kind::Learned;
        let temporal = learned.then(|| TemporalClassifier::model(&self.bundle)).transpose()?;
        let files = std::iter::once(Detector::gpu_model(&self.bundle)?.1).chain(temporal);
        Ok(files.map(|file| Model { file, engine: self.cache.state(&self.gpu, file.sha256) }).collect())
    }

    /// Builds what is not built, and gives every engine. `progress` is told of each step, and answers whether to go on.
    pub(crate) fn build(
        &self,
        progress: &mut (dyn FnMut(&str, Progress<'_>) -> bool + Send),
    ) -> Result<Built, EngineError> {
        let (mut engines, mut unkept) = (Vec::new(), None);
        let models = self.models()?;
        let all: Vec<_> = models.iter().map(|model| model.file.sha256).collect();
        for Model { file, engine } in models {
            engines.push(match engine {
                Engine::Ready(engine) if !self.distrusted => engine,
                _ => {
                    let began = Instant::now();
                    tracing::info!(model = file.file, engine = engine.describe(), "building it for the GPU");
                    let onnx = self.bundle.read(file)?;
                    let built = self.gpu.build(&onnx, &mut |at| progress(&file.file, at))?;
                    let beside: Vec<_> = all.iter().copied().filter(|model| *model != file.sha256).collect();
                    unkept = self.cache.put(&self.gpu, file.sha256, &built, &beside).err().or(unkept);
                    tracing::info!(model = file.file, seconds = began.elapsed().as_secs(), "built");
                    built
                }
            });
        }
        Ok(Built { engines, unkept })
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
            Err(why @ EngineError::EngineRefused { .. }) => {
                tracing::warn!("what was built for this GPU before is built again: {why}");
                self.distrusted = true;
                Ok(None)
            }
            Err(why) => Err(why),
        }
    }

    /// Engines are built: what ended a cart that tried is forgotten.
    pub(crate) fn succeeded(&self) {
        self.deaths.end();
    }

    /// Loads engines: so many detectors, and the classifier.
    pub(crate) fn load(&self, engines: &[Vec<u8>], count: usize) -> Result<Inference, EngineError> {
        let [detector, temporal @ ..] = engines else {
            return Err(EngineError::TensorRt { reason: "there is no engine of a detector".to_owned() });
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
    let folder = state_dir.join(FOLDER);
    let key = format!("{} {} {}", bundle.identity(), library.built_for(), library.version());
    let deaths = Deaths { file: folder.join("building"), key };
    let cache = Cache::at(folder);
    Ok(Some(Site { gpu, cache, bundle: bundle.clone(), classifier, distrusted: false, deaths }))
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
            None if site.deaths.count() >= DEATHS => {
                let why = format!(
                    "building the engine for the GPU ended the cart {DEATHS} times; `cartvisiond prepare` builds it by itself"
                );
                (None, Place::Fallback(why))
            }
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

/// Detectors that wait for workers to take them in place of their own: one for each, and again whenever there are new ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Arc<Mutex<Heap>>);

#[derive(Debug, Default)]
struct Heap {
    /// How often there were new ones: by it a worker knows that it has had its own.
    times: u32,
    detectors: Vec<Detector>,
}

impl Spares {
    /// One of those that this worker has had none of: `seen` is what it took from last.
    pub(crate) fn take(&self, seen: &mut u32) -> Option<Detector> {
        let mut heap = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heap.times == *seen {
            return None;
        }
        *seen = heap.times;
        heap.detectors.pop()
    }

    fn give(&self, detectors: Vec<Detector>) {
        let mut heap = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *heap = Heap { times: heap.times + 1, detectors };
    }
}

/// What is told the loop of engines.
#[derive(Debug)]
pub(crate) enum EngineFact {
    /// The GPU infers from now on: workers have their detectors, and this is the classifier.
    Ready(Box<Classifier>),
    /// It does not, and will not before the next start.
    Failed(String),
    /// The CPU infers from now on, as the GPU failed.
    FellBack(Box<Classifier>),
    /// And cannot: nothing infers.
    Lost(Failure),
}

/// Who brings engines beside the running cart: for the GPU, and for the CPU should the GPU fail.
pub(crate) struct Keeper {
    thread: JoinHandle<()>,
    given_up: Arc<AtomicBool>,
    /// Sent once: the CPU shall infer.
    wish: SyncSender<()>,
    deaths: Option<Deaths>,
}

impl Keeper {
    /// Starts; builds for this site, if there is one. The loop hears what came of it.
    pub(crate) fn start(
        site: Option<Site>,
        settings: &Settings,
        bundle: Bundle,
        spares: Spares,
        facts: SyncSender<Fact>,
    ) -> Result<Self, Failure> {
        let given_up = Arc::new(AtomicBool::new(false));
        let (wish, wishes) = sync_channel(1);
        let deaths = site.as_ref().map(|site| site.deaths.clone());
        let post = Post { settings: settings.clone(), bundle, spares, facts, given_up: given_up.clone() };
        let thread = std::thread::Builder::new()
            .name("engine-keeper".to_owned())
            .spawn(move || post.keep(site, &wishes))
            .map_err(|e| Failure::environment(format_args!("cannot start a thread: {e}")))?;
        Ok(Self { thread, given_up, wish, deaths })
    }

    /// The GPU fails: the CPU shall infer.
    pub(crate) fn fall_back(&self) {
        // Whoever has wished it already need not do so again.
        _ = self.wish.try_send(());
    }

    /// Gives up what is not done; a step of TensorRT's may take longer than anybody waits.
    pub(crate) fn stop(self, by: Instant) {
        self.given_up.store(true, Ordering::Relaxed);
        drop(self.wish);
        while !self.thread.is_finished() && Instant::now() < by {
            std::thread::sleep(Duration::from_millis(10));
        }
        if let Some(deaths) = self.deaths {
            deaths.end();
        }
    }
}

/// What the keeper knows.
struct Post {
    settings: Settings,
    bundle: Bundle,
    spares: Spares,
    facts: SyncSender<Fact>,
    given_up: Arc<AtomicBool>,
}

impl Post {
    fn keep(&self, site: Option<Site>, wishes: &Receiver<()>) {
        if let Some(site) = site {
            site.deaths.begin();
            let fact = match self.build(&site) {
                Ok(classifier) => EngineFact::Ready(classifier),
                Err(why) => EngineFact::Failed(why.to_string()),
            };
            site.deaths.end();
            self.tell(fact);
        }
        if wishes.recv().is_ok() {
            let Settings { classifier, threads, .. } = self.settings;
            self.tell(match on_cpu(&self.bundle, threads, classifier) {
                Ok(inference) => EngineFact::FellBack(self.hand_out(inference)),
                Err(why) => EngineFact::Lost(why),
            });
        }
    }

    fn build(&self, site: &Site) -> Result<Box<Classifier>, EngineError> {
        let mut said = Instant::now();
        let mut progress = |model: &str, at: Progress<'_>| {
            if said.elapsed() > Duration::from_secs(10) {
                said = Instant::now();
                tracing::info!(model, phase = at.phase, step = at.step, of = at.steps, "building");
            }
            !self.given_up.load(Ordering::Relaxed)
        };
        let Built { engines, unkept } = site.build(&mut progress)?;
        if let Some(e) = unkept {
            tracing::warn!("{e}; it is used all the same, and the next start builds it again");
        }
        Ok(self.hand_out(site.load(&engines, self.settings.threads)?))
    }

    fn hand_out(&self, Inference { detectors, classifier }: Inference) -> Box<Classifier> {
        self.spares.give(detectors);
        Box::new(classifier)
    }

    fn tell(&self, fact: EngineFact) {
        // The loop is gone: nobody wants to know.
        _ = self.facts.send(Fact::Engine(fact));
    }
}
