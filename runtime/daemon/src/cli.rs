//! The command line, as the contract has it.

use std::path::PathBuf;

use cartvision_core::MAX_CAMERAS;
use cartvision_wire::exit;
use cartvision_wire::{CameraName, CartId, SessionId, StoreId, UtcTime};
use clap::{Args, Parser, Subcommand};

use crate::classifier::Kind;
use crate::config::MAX_THREADS;

/// The cart's daemon: cameras in, item-added and item-removed events out over MQTT.
#[derive(Debug, Parser)]
#[command(name = "cartvisiond", version, after_help = exit::HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the cart
    #[command(after_help = "Example:\n  cartvisiond run --config /etc/cartvision/cart.toml")]
    Run(RunArgs),
    /// Validate configuration, bundle, zones, engine, cameras and broker; change nothing
    #[command(
        after_help = "Examples:\n  cartvisiond check --config cart.toml --json\n  cartvisiond check --config cart.toml --pictures /tmp/cart"
    )]
    Check(CheckArgs),
    /// Build the bundle's engines for this computer's GPU, where they are not built yet; a running cart goes on
    #[command(after_help = "Example:\n  cartvisiond prepare --config /etc/cartvision/cart.toml")]
    Prepare(PrepareArgs),
    /// Measure what this computer makes of a configuration: the engine alone, then cameras to decisions; no broker, no
    /// database. One JSON object on standard output: `cartctl bench` shows it as a table
    #[command(after_help = "Example:\n  cartvisiond bench --config /etc/cartvision/cart.toml --seconds 60")]
    Bench(BenchArgs),
    /// Run recorded files through the same pipeline, every frame, as one session
    #[command(
        after_help = "Example:\n  cartvisiond replay --bundle my-bundle --camera rim=clip.mp4 --events events.jsonl"
    )]
    Replay(Box<ReplayArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The cart's configuration (its reference: `cartvisiond check --print-reference`)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The cart's configuration
    #[arg(long, value_name = "FILE", required_unless_present = "print_reference")]
    pub(crate) config: Option<PathBuf>,
    /// Print one line of JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Also keep a picture of what each camera sees: DIR/CAMERA.jpg, in the camera's own size
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: Option<PathBuf>,
    /// Print the reference configuration, with every key and its default, and do nothing else
    #[arg(long)]
    pub(crate) print_reference: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PrepareArgs {
    /// The cart's configuration: its bundle, and the state directory that engines are kept in
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The cart's configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// How long to look at one picture, and then through the cameras
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) seconds: u16,
    /// So many cameras that show a test picture (1280×720, 30 a second), instead of the configuration's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=MAX_CAMERAS as i64))]
    pub(crate) pattern: Option<u8>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Directory of the model bundle
    #[arg(long, value_name = "DIR")]
    pub(crate) bundle: PathBuf,
    /// A camera and its recording; once for each camera
    #[arg(long = "camera", value_name = "NAME=FILE", required = true, value_parser = camera)]
    pub(crate) cameras: Vec<(CameraName, PathBuf)>,
    /// Zones of the cameras (TOML: a table `zones` of camera name = [[x, y], …]); default: the whole picture
    #[arg(long, value_name = "FILE")]
    pub(crate) zones: Option<PathBuf>,
    /// Write the events as JSON lines to this file, or to stdout with `-`
    #[arg(long, value_name = "FILE|-")]
    pub(crate) events: Option<PathBuf>,
    /// What the detector saw: where there is no such file it is written; where there is one of the same bundle,
    /// cameras and recordings, it is taken from there, without decoding and inference. `fps` then counts
    /// pictures of that file, and --threads means nothing. Zones may differ, and the file may be of further cameras
    /// behind these
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Option<PathBuf>,
    /// Write every question of the core to this file, with what a temporal classifier is shown and how it was
    /// answered, as JSON lines: what one is trained on. The file is written whole, at the end, or not at all
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// Who answers the core's questions; default: the bundle's learned classifier where it has one, else the
    /// analytic one
    #[arg(long, value_name = "KIND")]
    pub(crate) classifier: Option<Kind>,
    /// Publish on this broker: mqtt://host:port or mqtts://user@host:port; the password is read from
    /// CARTVISION_BROKER_PASSWORD or --broker-password-file
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<String>,
    /// PEM file of the authority that signed the broker's certificate; default: the system's
    #[arg(long, value_name = "FILE", requires = "broker")]
    pub(crate) broker_ca: Option<PathBuf>,
    /// File that holds the broker's password
    #[arg(long, value_name = "FILE", requires = "broker")]
    pub(crate) broker_password_file: Option<PathBuf>,
    /// Pace the frames as they were recorded, instead of as fast as possible
    #[arg(long)]
    pub(crate) realtime: bool,
    /// Inference threads; default: one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_THREADS)))]
    pub(crate) threads: Option<u16>,
    /// UTC moment of the recordings' start
    #[arg(long, value_name = "T", default_value = "1970-01-01T00:00:00Z")]
    pub(crate) start_time: UtcTime,
    /// Name of the session that the replay opens and closes
    #[arg(long, value_name = "ID", default_value = "replay")]
    pub(crate) session: SessionId,
    /// Store under whose topics to publish
    #[arg(long, value_name = "ID", default_value = "local")]
    pub(crate) store: StoreId,
    /// Cart under whose topics to publish
    #[arg(long, value_name = "ID", default_value = "replay")]
    pub(crate) cart: CartId,
}

fn camera(text: &str) -> Result<(CameraName, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("give NAME=FILE, for example rim-left=clip.mp4")?;
    if file.is_empty() {
        return Err(format!("no file after {name}="));
    }
    let name = CameraName::new(name).map_err(|e| e.to_string())?;
    Ok((name, file.into()))
}
