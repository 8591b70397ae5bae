//! `check`: everything that can be found wrong before the cart runs. Changes nothing; pictures go where it is told to
//! put them.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use cartvision_core::CameraId;
use cartvision_engines::tensorrt::Engine;
use cartvision_engines::{Bundle, Detector, Runtime};
use cartvision_pipelines::{CameraSettings, FrameSet, Pace, Rate, Taken, What};
use cartvision_wire::ExitCode;
use serde_json::json;

use crate::Ended;
use crate::broker::probe;
use crate::catalogue::Catalogue;
use crate::classifier::{Classifier, Kind};
use crate::cli::CheckArgs;
use crate::config::{self, Config};
use crate::engine::{self, Wanted};
use crate::failure::Failure;

/// Stills a second of a camera whose picture is kept; the first counts.
const STILLS: Rate = Rate(NonZeroU32::MIN);

/// One thing that was looked at.
struct Finding {
    what: String,
    result: Result<String, Failure>,
}

pub(crate) fn check(args: &CheckArgs) -> Ended {
    let mut out = std::io::stdout();
    if args.print_reference {
        _ = out.write_all(config::REFERENCE.as_bytes());
        return Ok(ExitCode::Fine);
    }
    let Some(file) = &args.config else { return Err(Failure::usage("give --config FILE")) };
    let mut findings = Vec::new();
    look(file, args.pictures.as_deref(), &mut findings);

    let ok = findings.iter().all(|f| f.result.is_ok());
    // A wrong configuration explains more than what fails because of it.
    let codes = findings.iter().filter_map(|f| f.result.as_ref().err()).map(|e| e.code);
    let code = codes.min_by_key(|c| c.code()).unwrap_or(ExitCode::Fine);
    if args.json {
        let checks: Vec<_> = findings
            .iter()
            .map(|f| match &f.result {
                Ok(detail) => json!({ "check": f.what, "ok": true, "detail": detail }),
                Err(e) => json!({ "check": f.what, "ok": false, "detail": e.to_string(), "exit_code": e.code.code() }),
            })
            .collect();
        _ = writeln!(out, "{}", json!({ "ok": ok, "checks": checks }));
    } else {
        for finding in &findings {
            match &finding.result {
                Ok(detail) => _ = writeln!(out, "ok      {}: {detail}", finding.what),
                Err(e) => {
                    _ = writeln!(out, "FAILED  {}", finding.what).and_then(|()| {
                        out.flush()?;
                        e.report();
                        Ok(())
                    })
                }
            }
        }
    }
    Ok(code)
}

fn look(file: &Path, pictures: Option<&Path>, findings: &mut Vec<Finding>) {
    let mut note = |what: &str, result: Result<String, Failure>| {
        findings.push(Finding { what: what.to_owned(), result });
    };
    let config = match Config::read(file) {
        Ok(config) => config,
        Err(e) => return note("configuration", Err(e)),
    };
    let names: Vec<_> = config.cameras.iter().map(|c| c.name.as_str()).collect();
    note("configuration", Ok(format!("{}, cameras {} with their zones", file.display(), names.join(", "))));

    let bundle = Bundle::open(&config.bundle).map_err(Failure::from).and_then(|bundle| {
        Catalogue::of(bundle.manifest()).map_err(Failure::usage)?;
        Ok(bundle)
    });
    note(
        "bundle",
        bundle.as_ref().map(|b| format!("{} in {}", b.identity(), b.directory().display())).map_err(again),
    );
    let runtime = Runtime::open().map_err(Failure::from);
    note(
        "engine",
        runtime
            .as_ref()
            .map(|r| format!("ONNX Runtime {} from {} ({})", r.version(), r.path().display(), r.origin()))
            .map_err(again),
    );
    if let (Ok(bundle), Ok(runtime)) = (&bundle, &runtime) {
        let detector = Detector::load(runtime, bundle, 1).map_err(Failure::from);
        note("detector", detector.map(|d| format!("{} ran", d.variant().name())));
        note("classifier", classifier(&config, bundle));
    }
    if let Ok(bundle) = &bundle {
        note("gpu", gpu(&config, bundle));
    }
    for (name, result) in cameras(&config, bundle.as_ref().ok(), pictures) {
        note(&format!("camera {name}"), result);
    }
    note(
        "broker",
        probe(&config.identity)
            .map(|()| format!("{} takes this cart", config.identity.address))
            .map_err(Failure::environment),
    );
}

/// Whether the GPU would infer, and whether its engines are built.
fn gpu(config: &Config, bundle: &Bundle) -> Result<String, Failure> {
    let site = engine::site(config.engine, &config.state_dir, bundle, config.classifier)?;
    let Some(site) = site else {
        return Ok(match config.engine {
            Wanted::Cpu => "left alone: model.engine says so".to_owned(),
            Wanted::Best | Wanted::Tensorrt => {
                "none is used: the package cartvision-tensorrt is not installed".to_owned()
            }
        });
    };
    let models = site.models()?;
    let states = models.iter().map(|m| format!("engine of {}: {}", m.file.file, m.engine.describe()));
    let next = if models.iter().all(|m| matches!(m.engine, Engine::Ready(_))) {
        ""
    } else {
        "; the next start builds what is missing, or `cartvisiond prepare` does so now"
    };
    let states = states.collect::<Vec<_>>().join("; ");
    Ok(format!("{} on {}; {states}{next}", site.gpu.library().built_for(), site.gpu.device()))
}

/// Which one answers the core's questions, and why.
fn classifier(config: &Config, bundle: &Bundle) -> Result<String, Failure> {
    let kind = Classifier::load(config.classifier, bundle)?.kind();
    let why = match (kind, &bundle.manifest().temporal) {
        (Kind::Learned, Some(temporal)) => {
            format!("{} for features of version {} ran", temporal.model.file, temporal.feature_version)
        }
        (Kind::Analytic, None) => "the bundle has no learned one".to_owned(),
        _ => "model.classifier says so".to_owned(),
    };
    Ok(format!("{kind}: {why}"))
}

fn again(e: &Failure) -> Failure {
    match e.code {
        ExitCode::Usage => Failure::usage(e),
        _ => Failure::environment(e),
    }
}

/// A first frame of each camera. A camera that a running daemon holds is reported as busy.
fn cameras(
    config: &Config,
    bundle: Option<&Bundle>,
    pictures: Option<&Path>,
) -> Vec<(String, Result<String, Failure>)> {
    let size = bundle.map_or((640, 640), |b| (b.manifest().detector.width, b.manifest().detector.height));
    config
        .cameras
        .iter()
        .map(|camera| {
            let result = camera.capture(size).and_then(|settings| first_frame(settings, pictures));
            (camera.name.to_string(), result)
        })
        .collect()
}

/// What a camera gives, once it does; and its picture, if there is a directory for it.
pub(crate) fn first_frame(mut settings: CameraSettings, pictures: Option<&Path>) -> Result<String, Failure> {
    let patience = settings.first_frame_within + Duration::from_secs(1);
    let file = pictures.map(|directory| directory.join(format!("{}.jpg", settings.name)));
    settings.stills = file.as_ref().map(|_| STILLS);
    let frames = FrameSet::open(vec![settings], Pace::Live).map_err(Failure::environment)?;
    let until = Instant::now() + patience;
    let (mut gives, mut over) = (None, false);
    while !over && Instant::now() < until {
        match frames.take(Duration::from_millis(200)) {
            Taken::Given { what: What::Frame(frame), .. } => {
                let counters = frames.counters(frame.camera);
                let size = |s: Option<cartvision_pipelines::Size>| {
                    s.map_or_else(|| "?".to_owned(), |s| s.to_string())
                };
                gives = Some(format!("gives {}, seen at {}", size(counters.source), size(counters.fitted)));
            }
            Taken::Given { what: What::Failed(_, error), .. } => return Err(Failure::environment(error)),
            Taken::Given { what: What::Ended(_), .. } | Taken::Over => over = true,
            Taken::Idle => {}
        }
        let Some(gives) = &gives else { continue };
        let Some(file) = &file else { return Ok(gives.clone()) };
        if let Some(still) = CameraId::new(0).and_then(|camera| frames.still(camera)) {
            keep(still.jpeg(), file)?;
            return Ok(format!("{gives}; its picture is {}", file.display()));
        }
    }
    Err(Failure::environment(match gives {
        Some(gives) => format!("{gives}, but no JPEG is made of it"),
        None => "it gives no frame".to_owned(),
    }))
}

fn keep(jpeg: &[u8], file: &Path) -> Result<(), Failure> {
    let directory = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).and_then(|()| std::fs::write(file, jpeg)).map_err(|e| {
        Failure::environment(format_args!(
            "the picture {} cannot be written: {e}; give --pictures a directory that takes it",
            file.display()
        ))
    })
}
