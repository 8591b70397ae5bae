//! The configuration file. `cart.toml` beside this crate is the reference: it names every key with its default,
//! and it is the list of known names for "did you mean".

use std::path::{Path, PathBuf};

use cartvision_core::{MAX_CAMERAS, Settings, Span, Zone};
use cartvision_pipelines as pipelines;
use cartvision_pipelines::{CameraSettings, Rate, Source};
use cartvision_wire::{Address, CameraName, CartId, Root, StoreId};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::broker::{Credentials, Files, Identity};
use crate::classifier::Kind;
use crate::engine::{self, Wanted};
use crate::failure::Failure;
use crate::heat::Limits;
use crate::inference::default_threads;
use crate::zones;

/// The reference configuration.
pub(crate) const REFERENCE: &str = include_str!("../cart.toml");

/// The most inference threads; each holds a detector of its own.
pub(crate) const MAX_THREADS: u16 = 64;

/// The file as it is written.
#[derive(Debug, Deserialize)]
struct File {
    cart: CartSection,
    broker: BrokerSection,
    model: ModelSection,
    #[serde(default)]
    decision: DecisionSection,
    #[serde(default)]
    limits: LimitsSection,
    #[serde(default)]
    camera: Vec<CameraSection>,
}

#[derive(Debug, Deserialize)]
struct CartSection {
    store: StoreId,
    id: CartId,
    #[serde(default = "state_dir")]
    state_dir: PathBuf,
}

fn state_dir() -> PathBuf {
    "/var/lib/cartvision".into()
}

#[derive(Debug, Deserialize)]
struct BrokerSection {
    url: String,
    #[serde(default)]
    ca: PathBuf,
    #[serde(default)]
    certificate: PathBuf,
    #[serde(default)]
    key: PathBuf,
    #[serde(default)]
    password_file: PathBuf,
}

#[derive(Debug, Deserialize)]
struct ModelSection {
    bundle: PathBuf,
    #[serde(default)]
    threads: u16,
    #[serde(default)]
    classifier: String,
    #[serde(default)]
    engine: String,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct DecisionSection {
    accept: f32,
    reject: f32,
    sure: f32,
    patience_ms: u32,
    high_score: f32,
    birth_score: f32,
    hand_score: f32,
    settle_ms: u32,
    settle_touched_ms: u32,
    away_ms: u32,
    vanish_ms: u32,
    stock_ms: u32,
    fuse_ms: u32,
    fuse_wait_ms: u32,
    memory_ms: u32,
    slowest_ms: u32,
}

impl Default for DecisionSection {
    fn default() -> Self {
        let s = Settings::default();
        let ms = |span: Span| (span.ns / 1_000_000) as u32;
        Self {
            accept: s.accept,
            reject: s.reject,
            sure: s.sure,
            patience_ms: ms(s.patience),
            high_score: s.high_score,
            birth_score: s.birth_score,
            hand_score: s.hand_score,
            settle_ms: ms(s.settle),
            settle_touched_ms: ms(s.settle_touched),
            away_ms: ms(s.away),
            vanish_ms: ms(s.vanish),
            stock_ms: ms(s.stock),
            fuse_ms: ms(s.fuse),
            fuse_wait_ms: ms(s.fuse_wait),
            memory_ms: ms(s.memory),
            slowest_ms: ms(s.slowest),
        }
    }
}

impl DecisionSection {
    fn settings(&self) -> Settings {
        let span = |ms: u32| Span::from_ms(ms.into());
        Settings {
            accept: self.accept,
            reject: self.reject,
            sure: self.sure,
            patience: span(self.patience_ms),
            high_score: self.high_score,
            birth_score: self.birth_score,
            hand_score: self.hand_score,
            settle: span(self.settle_ms),
            settle_touched: span(self.settle_touched_ms),
            away: span(self.away_ms),
            vanish: span(self.vanish_ms),
            stock: span(self.stock_ms),
            fuse: span(self.fuse_ms),
            fuse_wait: span(self.fuse_wait_ms),
            memory: span(self.memory_ms),
            slowest: span(self.slowest_ms),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct LimitsSection {
    celsius: f64,
    watts: f64,
    sysfs: PathBuf,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self { celsius: 80.0, watts: 0.0, sysfs: "/sys".into() }
    }
}

#[derive(Debug, Deserialize)]
struct CameraSection {
    name: CameraName,
    #[serde(default)]
    zone: Vec<[f32; 2]>,
    #[serde(default)]
    max_rate: u32,
    #[serde(default = "first_frame_s")]
    first_frame_s: u16,
    #[serde(default = "next_frame_s")]
    next_frame_s: u16,
    #[serde(default = "frozen_s")]
    frozen_s: u16,
    source: Source,
}

fn first_frame_s() -> u16 {
    pipelines::FIRST_FRAME_WITHIN.as_secs() as u16
}

fn next_frame_s() -> u16 {
    pipelines::NEXT_FRAME_WITHIN.as_secs() as u16
}

fn frozen_s() -> u16 {
    pipelines::FROZEN_WITHIN.as_secs() as u16
}

/// A configuration that makes sense.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) identity: Identity,
    pub(crate) state_dir: PathBuf,
    pub(crate) bundle: PathBuf,
    /// Inference threads; `None`: one for each core.
    pub(crate) threads: Option<usize>,
    /// Who answers the core's questions; `None`: the learned classifier where the bundle has one.
    pub(crate) classifier: Option<Kind>,
    /// What infers.
    pub(crate) engine: Wanted,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    /// Where temperature and power are read.
    pub(crate) sysfs: PathBuf,
    pub(crate) cameras: Vec<Camera>,
}

/// One camera of the configuration.
#[derive(Debug)]
pub(crate) struct Camera {
    pub(crate) name: CameraName,
    pub(crate) zone: Zone,
    source: Source,
    max_rate: u32,
    first_frame_s: u16,
    next_frame_s: u16,
    frozen_s: u16,
}

impl Camera {
    /// What capture needs to know, for frames that fit a model's input of this size.
    pub(crate) fn capture(&self, (width, height): (usize, usize)) -> Result<CameraSettings, Failure> {
        let name = pipelines::CameraName::new(self.name.as_str()).map_err(Failure::usage)?;
        let mut settings = CameraSettings::new(name, self.source.clone(), width, height);
        settings.rate = NonZeroU32::new(self.max_rate).map(Rate);
        settings.first_frame_within = Duration::from_secs(self.first_frame_s.into());
        settings.next_frame_within = Duration::from_secs(self.next_frame_s.into());
        settings.frozen_within = (self.frozen_s > 0).then_some(Duration::from_secs(self.frozen_s.into()));
        Ok(settings)
    }
}

impl Config {
    /// What inference needs to know.
    pub(crate) fn inference(&self) -> engine::Settings {
        engine::Settings {
            wanted: self.engine,
            state_dir: self.state_dir.clone(),
            classifier: self.classifier,
            threads: self.threads.unwrap_or_else(default_threads),
        }
    }

    /// Reads and checks the file.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(file).map_err(|e| {
            Failure::usage(format_args!(
                "{}: cannot read the configuration: {e}; `cartvisiond check --print-reference` prints one to begin with",
                file.display()
            ))
        })?;
        Self::parse(&text, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, Failure> {
        let at = |what: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {what}", file.display()));
        let malformed = |e: toml::de::Error| {
            at(&format_args!("{}; see `cartvisiond check --print-reference`", e.to_string().trim_end()))
        };
        let mut unknown = Vec::new();
        let deserializer = toml::Deserializer::parse(text).map_err(malformed)?;
        let read: Result<File, _> =
            serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()));
        // A misspelt key is often the reason why a required one is missing: tell of it first.
        if let Some(key) = unknown.first() {
            return Err(at(&format_args!(
                "unknown key `{key}`{}; see `cartvisiond check --print-reference`",
                nearest(key)
            )));
        }
        let read = read.map_err(malformed)?;

        let given = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        let address = Address::parse(&read.broker.url).map_err(|e| at(&e))?;
        let files = Files {
            ca: given(&read.broker.ca),
            certificate: given(&read.broker.certificate),
            key: given(&read.broker.key),
            password: given(&read.broker.password_file),
        };
        let credentials = Credentials::read(files).map_err(|e| at(&e))?;
        if read.model.threads > MAX_THREADS {
            return Err(at(&format_args!(
                "model.threads = {}: give a number from 0 to {MAX_THREADS}",
                read.model.threads
            )));
        }
        let classifier = match read.model.classifier.as_str() {
            "" => None,
            name => Some(Kind::named(name).ok_or_else(|| {
                at(&format_args!(
                    "model.classifier = {name:?}: give \"learned\" or \"analytic\", or leave it empty"
                ))
            })?),
        };
        let engine = Wanted::named(&read.model.engine).ok_or_else(|| {
            at(&format_args!(
                "model.engine = {:?}: give \"tensorrt\" or \"cpu\", or leave it empty",
                read.model.engine
            ))
        })?;
        let settings = read.decision.settings();
        settings.check().map_err(|e| at(&format_args!("[decision] {e}")))?;

        let LimitsSection { celsius, watts, sysfs } = read.limits;
        for (key, value, most) in [("celsius", celsius, 150.0), ("watts", watts, 1e4)] {
            if !(0.0..=most).contains(&value) {
                return Err(at(&format_args!("limits.{key} = {value}: give a number from 0 to {most}")));
            }
        }
        let above_0 = |value: f64| (value > 0.0).then_some(value);
        let limits = Limits { celsius: above_0(celsius), watts: above_0(watts) };

        if read.camera.is_empty() {
            return Err(at(&"there is no [[camera]]; a cart needs at least one"));
        }
        if read.camera.len() > MAX_CAMERAS {
            return Err(at(&format_args!("{} cameras; a cart has at most {MAX_CAMERAS}", read.camera.len())));
        }
        let mut cameras: Vec<Camera> = Vec::new();
        for camera in read.camera {
            if cameras.iter().any(|c| c.name == camera.name) {
                return Err(at(&format_args!(
                    "two cameras are called {}; give each a name of its own",
                    camera.name
                )));
            }
            for (key, seconds) in
                [("first_frame_s", camera.first_frame_s), ("next_frame_s", camera.next_frame_s)]
            {
                if seconds == 0 {
                    return Err(at(&format_args!(
                        "{key} of camera {} is 0: no camera is that quick; give the seconds that it may take",
                        camera.name
                    )));
                }
            }
            let (rate, slowest) = (u64::from(camera.max_rate), settings.slowest.ns);
            // At the edge, one that comes late would be too late.
            if rate > 0 && slowest > 0 && rate.saturating_mul(slowest).saturating_mul(4) < 5_000_000_000 {
                return Err(at(&format_args!(
                    "max_rate of camera {} is {rate}: with decision.slowest_ms = {} fewer than {} pictures a second are too few to decide by; give more, or set slowest_ms = 0",
                    camera.name,
                    slowest / 1_000_000,
                    5_000_000_000_u64.div_ceil(slowest * 4)
                )));
            }
            cameras.push(Camera {
                zone: zones::zone(&camera.name, &camera.zone, file)?,
                name: camera.name,
                source: camera.source,
                max_rate: camera.max_rate,
                first_frame_s: camera.first_frame_s,
                next_frame_s: camera.next_frame_s,
                frozen_s: camera.frozen_s,
            });
        }
        Ok(Self {
            identity: Identity { address, credentials, root: Root::new(read.cart.store, read.cart.id) },
            state_dir: read.cart.state_dir,
            bundle: read.model.bundle,
            threads: (read.model.threads > 0).then_some(read.model.threads.into()),
            classifier,
            engine,
            settings,
            limits,
            sysfs,
            cameras,
        })
    }
}

/// ", did you mean …" if a known key is near.
fn nearest(key: &str) -> String {
    let Ok(reference) = REFERENCE.parse::<toml::Table>() else { return String::new() };
    let mut known = Vec::new();
    names(&reference, &mut known);
    let last = key.rsplit('.').next().unwrap_or(key);
    let similar = |name: &String| (strsim::jaro_winkler(last, name) * 1e6) as u32;
    match known.into_iter().max_by_key(similar).filter(|name| similar(name) >= 750_000) {
        Some(name) => format!(", did you mean `{name}`?"),
        None => String::new(),
    }
}

/// Every key of a table, and of the tables in it.
fn names(table: &toml::Table, known: &mut Vec<String>) {
    for (key, value) in table {
        known.push(key.clone());
        let inner = match value {
            toml::Value::Table(inner) => Some(inner),
            toml::Value::Array(items) => items.first().and_then(toml::Value::as_table),
            _ => None,
        };
        if let Some(inner) = inner {
            names(inner, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use cartvision_fuzz::{Edit, Executions, bolero, edited, edits};

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("cart.toml")).map_err(|e| e.to_string())
    }

    /// A configuration is read, or refused with a line that says what and where.
    #[test]
    fn fuzz_configuration() {
        let tried = Executions::of("configuration");
        bolero::check!().with_generator(edits()).for_each(|script: &Vec<Edit>| {
            let text = edited(REFERENCE.as_bytes(), script);
            let Ok(text) = str::from_utf8(&text) else { return };
            let read = parse(text);
            tried.one(read.is_ok());
            if let Err(error) = read {
                assert!(error.starts_with("cart.toml: "), "{error}");
            }
        });
    }

    /// The reference, with what is not asked for left out: the defaults must come out the same.
    #[test]
    fn the_reference_shows_the_defaults() {
        let full = parse(REFERENCE).unwrap();
        let least = parse(
            r#"
            [cart]
            store = "store-1"
            id = "cart-1"
            [broker]
            url = "mqtts://cart@broker.example:8883"
            [model]
            bundle = "/usr/share/cartvision/bundle"
            [[camera]]
            name = "rim-left"
            source = { kind = "test", pattern = "ball", width = 640, height = 360, framerate = 30 }
            "#,
        )
        .unwrap();
        assert_eq!(format!("{full:?}"), format!("{least:?}"));
        assert_eq!(full.settings, Settings::default());
    }

    /// Capture has a type of its own for names: what the wire takes, it takes.
    #[test]
    fn every_camera_name_is_one_for_capture() {
        for name in ["a", "rim.left", "Rim_2-b", &"x".repeat(64)] {
            let config = parse(&REFERENCE.replacen("rim-left", name, 1)).unwrap();
            let capture = config.cameras[0].capture((640, 640)).map_err(|e| e.to_string());
            assert_eq!(capture.unwrap().name.as_str(), name);
        }
    }

    #[test]
    fn a_classifier_is_chosen_by_its_name() {
        for (name, kind) in [("", None), ("learned", Some(Kind::Learned)), ("analytic", Some(Kind::Analytic))]
        {
            let text = REFERENCE.replacen("classifier = \"\"", &format!("classifier = {name:?}"), 1);
            assert_eq!(parse(&text).unwrap().classifier, kind, "{name:?}");
        }
    }

    #[test]
    fn faults_are_named() {
        let camera = "[[camera]]\nname = \"rim-left\"";
        let cases: &[(&str, &str, &str)] = &[
            ("accept = 0.5", "acept = 0.7", "did you mean `accept`?"),
            ("[broker]", "[brokr]", "did you mean `broker`?"),
            ("accept = 0.5", "accept = 1.7", "accept = 1.7: give a number from 0 to 1"),
            ("reject = 0.25", "reject = 0.95", "reject must not be greater than accept"),
            ("zone = []", "zone = [[0, 0], [1, 1]]", "at least 3 corners"),
            ("zone = []", "zone = [[0, 0], [1, 1], [1, 0], [0, 1]]", "cross"),
            ("id = \"cart-1\"", "id = \"cart/1\"", "holds '/'"),
            ("\"mqtts://cart@broker.example:8883\"", "\"broker.example\"", "must start with mqtt://"),
            (
                camera,
                &format!(
                    "{camera}\nsource = {{ kind = \"test\", pattern = \"ball\", width = 64, height = 64, framerate = 5 }}\n{camera}"
                ),
                "two cameras are called rim-left",
            ),
            ("\nsource = { kind = \"test\"", "\nsource = { kind = \"tset\"", "unknown variant `tset`"),
            ("threads = 0", "threads = -1", "threads"),
            ("threads = 0", "threads = 1000", "model.threads = 1000: give a number from 0 to 64"),
            ("classifier = \"\"", "classifier = \"learnt\"", "\"learnt\": give \"learned\" or \"analytic\""),
            ("first_frame_s = 10", "first_frame_s = 0", "first_frame_s of camera rim-left is 0"),
            ("max_rate = 0", "max_rate = 6", "fewer than 7 pictures a second are too few"),
            ("celsius = 80", "celsius = 800", "limits.celsius = 800: give a number from 0 to 150"),
            ("watts = 0", "watts = -1", "limits.watts = -1"),
            ("next_frame_s = 5", "next_frame_s = 0", "next_frame_s of camera rim-left is 0"),
            ("name = \"rim-left\"", "name = \"über\"", "camera name"),
            ("store = \"store-1\"", "store = ", "string"),
        ];
        let mut wrong = Vec::new();
        for (from, to, expected) in cases {
            assert!(REFERENCE.contains(from), "{from}");
            match parse(&REFERENCE.replacen(from, to, 1)) {
                Err(e) if e.contains(expected) => {}
                other => wrong.push(format!("{to}: expected {expected:?}, got {:?}", other.map(drop))),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
