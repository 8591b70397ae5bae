//! `bench`: what this computer makes of a configuration. First the engine and nothing else, which is the bound; then the
//! whole way from live cameras to decisions, without broker and database.
//!
//! It takes no lock and writes nothing but engines that are to be built: it may run beside a cart, and says so then. Heat
//! does not slow it down, as it is the bench that shows how hot it gets.

mod alone;
mod line;
mod sensed;

use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use cartvision_core::{Session, Zone};
use cartvision_engines::{Bundle, Runtime};
use cartvision_pipelines::{self as pipelines, CameraSettings, Pattern, Rate, Source};
use cartvision_wire::event::LogReason;
use cartvision_wire::{Bench, CameraName, ExitCode};

use crate::cart::Cart;
use crate::catalogue::Catalogue;
use crate::cli::BenchArgs;
use crate::clock::TimeLine;
use crate::config::Config;
use crate::engine::{self, Inference, Place, Site};
use crate::failure::Failure;
use crate::heat::Sensors;
use crate::journal::Journal;
use crate::store::Log;
use crate::{Ended, check, prepare};
use alone::Alone;

/// The test picture's size and rate.
const PATTERN: (u32, u32, u32) = (1280, 720, 30);
/// How often the sensors are read.
const SENSED_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn bench(args: &BenchArgs) -> Ended {
    let config = Config::read(&args.config)?;
    let bundle = Bundle::open(&config.bundle)?;
    let catalogue = Catalogue::of(bundle.manifest()).map_err(Failure::usage)?;
    let seconds = Duration::from_secs(args.seconds.into());
    let beside_a_cart = cart_runs();
    if beside_a_cart {
        tracing::warn!("a cart runs on this computer: what is measured is what it leaves");
    }
    let (cameras, zones) = cameras(args, &config, &bundle)?;
    for camera in &cameras {
        // Before anything takes long.
        let gives = check::first_frame(camera.clone(), None).map_err(|e| busy(e, beside_a_cart))?;
        tracing::info!(camera = %camera.name, "{gives}");
    }
    let core = Session::new(config.settings, zones).map_err(Failure::usage)?;

    let site = engine::site(config.engine, &config.state_dir, &bundle, config.classifier);
    // What keeps the cart from its GPU is told by `open`.
    let mut site = site.ok().flatten();
    if let Some(site) = &mut site {
        prepare::build(site)?;
    }
    let settings = config.inference();
    let (Inference { mut detectors, mut classifier }, place) = engine::open(&settings, &bundle)?;
    let variant = detectors.first().map_or("", |detector| detector.variant().name());
    let engine = format!("{}, {variant}, {} threads", engine_name(site.as_ref(), &place)?, detectors.len());
    let threads = detectors.len() as u32;

    tracing::info!(seconds = args.seconds, "the engine alone");
    let sensors = Sensors::below(&config.sysfs);
    let engine_only = Alone { sensors: &sensors, seconds }.measure(&mut detectors, &mut classifier)?;

    let names = cameras.iter().map(|c| CameraName::new(c.name.as_str()).map_err(Failure::defect));
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    let journal = Journal::opened(config.identity.root.cart().clone());
    let log = Log::Opened { reason: LogReason::New, previous: None };
    let (core, identity) = (Box::new(core), bundle.identity());
    let cart =
        Cart::open(core, classifier, catalogue, names.clone(), &identity, (journal, log), TimeLine::Live)
            .map_err(Failure::defect)?;
    tracing::info!(seconds = args.seconds, cameras = cameras.len(), "cameras to decisions");
    let Some(pipeline) = line::measure(cart, detectors, cameras, names, &sensors, seconds)? else {
        tracing::warn!("stopped before it was measured");
        return Ok(ExitCode::No);
    };
    let bench = Bench {
        device: device().as_str().into(),
        engine: engine.as_str().into(),
        fallback: match &place {
            Place::Fallback(why) => Some(why.as_str().into()),
            Place::Building(_) => {
                Some("the engines were built, and could not be loaded for each thread".into())
            }
            Place::Cpu | Place::Gpu => None,
        },
        bundle: identity.as_str().into(),
        threads,
        beside_a_cart: beside_a_cart || cart_runs(),
        pattern: args.pattern.is_some(),
        engine_only,
        pipeline,
    };
    let line = serde_json::to_string(&bench).map_err(Failure::defect)?;
    writeln!(std::io::stdout(), "{line}").map_err(|e| {
        Failure::environment(format_args!(
            "the result cannot be written: {e}; give standard output a place that takes it"
        ))
    })?;
    Ok(ExitCode::Fine)
}

/// The cameras to look through, with their zones.
fn cameras(
    args: &BenchArgs,
    config: &Config,
    bundle: &Bundle,
) -> Result<(Vec<CameraSettings>, Vec<Zone>), Failure> {
    let (width, height) = (bundle.manifest().detector.width, bundle.manifest().detector.height);
    let Some(count) = args.pattern else {
        let cameras = config.cameras.iter().map(|c| c.capture((width, height)));
        return Ok((
            cameras.collect::<Result<_, _>>()?,
            config.cameras.iter().map(|c| c.zone.clone()).collect(),
        ));
    };
    let pattern = |n| {
        let name = pipelines::CameraName::new(format!("pattern-{n}")).map_err(Failure::defect)?;
        let framerate = Rate(NonZeroU32::new(PATTERN.2).unwrap_or(NonZeroU32::MIN));
        let source = Source::Test {
            pattern: Pattern::Ball,
            width: PATTERN.0,
            height: PATTERN.1,
            framerate,
            frames: None,
        };
        Ok(CameraSettings::new(name, source, width, height))
    };
    let cameras = (1..=count).map(pattern).collect::<Result<_, Failure>>()?;
    Ok((cameras, (0..count).map(|_| Zone::whole()).collect()))
}

/// What infers, for people.
fn engine_name(site: Option<&Site>, place: &Place) -> Result<String, Failure> {
    match (site, place) {
        (Some(site), Place::Gpu) => {
            Ok(format!("{} on {}", site.gpu.library().built_for(), site.gpu.device().name))
        }
        _ => Ok(format!("ONNX Runtime {} on the CPU", Runtime::open()?.version())),
    }
}

/// A camera's failure, with the likeliest reason where there is one.
fn busy(failure: Failure, beside_a_cart: bool) -> Failure {
    if !beside_a_cart || failure.code != ExitCode::Environment {
        return failure;
    }
    Failure::environment(format_args!(
        "{failure}; a cart runs on this computer and may have the camera: stop it first (`systemctl stop cartvisiond`), or measure with --pattern N"
    ))
}

/// Whether a cart runs on this computer, as far as its processes can be seen.
fn cart_runs() -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        // Arguments end with a zero byte each.
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().unwrap_or_default();
        let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        name == b"cartvisiond" && words.next() == Some(b"run")
    })
}

/// The board's name where the firmware tells it, else the CPU's.
fn device() -> String {
    let board = fs::read_to_string("/proc/device-tree/model").ok();
    let board =
        board.map(|name| name.trim_matches(['\0', '\n', ' ']).to_owned()).filter(|name| !name.is_empty());
    let name = board.or_else(|| {
        let about = fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = about.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let name = name.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{name}, {} cores", std::thread::available_parallelism().map_or(1, usize::from))
}
