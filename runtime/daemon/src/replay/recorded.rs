//! Recorded inputs: what the detector saw in a replay, on file, so that another replay of the same recordings
//! needs neither GStreamer nor ONNX Runtime.
//!
//! JSON lines: first a header (the format's version, what it was recorded of, the classes), then what the cart was
//! told, in that order, and last a seal, the digest of all lines before it. What the detector saw stands here as
//! it came: what is made of it (looks of one product unified, zones, thresholds) is the next replay's affair.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use cartvision_core::{BBox, CameraId, ClassId, Detection, Detections, MediaTime};
use cartvision_engines::Manifest;
use cartvision_engines::bundle::{Class, Digest};
use serde::{Deserialize, Serialize};

use super::input::Input;
use super::whole::{Content, WholeFile};
use crate::failure::Failure;

/// What such a file calls itself.
const FORMAT: &str = "cartvision-inputs";
/// The version that is written and read.
const VERSION: u32 = 1;
/// What it is called in messages.
const CONTENT: Content = Content { what: "the recorded inputs", option: "--inputs" };
/// A header has at most this: thousands of classes.
const MAX_HEADER_BYTES: u64 = 4 * 1024 * 1024;
/// A seal is shorter than this.
const MAX_SEAL_BYTES: u64 = 256;

/// The first line's beginning, which every version has.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// The digest of `recorded_of`.
    input: Digest,
    recorded_of: Input,
    /// The detector's classes; a class's place in the list is its number.
    classes: Vec<Class>,
}

/// Every line but the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Saw(Saw),
    Ended { camera: u8 },
    Seal { sha256: Digest },
}

/// What was seen in one picture.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saw {
    /// The camera's place in the header.
    camera: u8,
    at_ns: u64,
    seen: Vec<Seen>,
}

/// One detection. Its numbers are written as 64-bit ones: those hold each 32-bit number exactly, and no reader's
/// rounding in the last of their places changes which.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    class: u16,
    score: f64,
    /// Left, top, right, bottom; shares of the picture.
    #[serde(rename = "box")]
    corners: [f64; 4],
}

/// What the cart is told.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made: no heap for a picture")]
pub(super) enum Told {
    /// What was seen in a picture.
    Saw { camera: CameraId, at: MediaTime, detections: Detections },
    /// A camera's recording is over.
    Ended(CameraId),
}

/// Why a file of recorded inputs is refused. Each is wrong usage.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("cannot read the recorded inputs: {0}; check the path")]
    Unreadable(io::Error),
    #[error(
        "it holds no recorded inputs; name another file with --inputs, or delete this one to have it written"
    )]
    Other,
    #[error(
        "recorded inputs of version {0}, and version {VERSION} is read here; delete the file to have it written anew"
    )]
    Version(u32),
    #[error(
        "cut off: its last line, the seal, is missing; copy it again, or delete it to have it written anew"
    )]
    CutOff,
    #[error(
        "altered: its content is not what it was sealed with; copy it again, or delete it to have it written anew"
    )]
    Altered,
    #[error("recorded of {0}; name another file with --inputs, or delete this one to have it written anew")]
    OtherInput(String),
    #[error("line {line}: {reason}; delete the file to have it written anew")]
    Line { line: u64, reason: String },
}

/// Writes recorded inputs.
#[derive(Debug)]
pub(super) struct Recorder(WholeFile);

impl Recorder {
    /// Begins the file that will lie in `place`.
    pub(super) fn begin(place: &Path, input: &Input, manifest: &Manifest) -> Result<Self, Failure> {
        let mut file = WholeFile::begin(place, CONTENT)?;
        file.line(&Header {
            format: FORMAT.into(),
            version: VERSION,
            input: input.digest(),
            recorded_of: input.clone(),
            classes: manifest.classes.clone(),
        })?;
        Ok(Self(file))
    }

    /// A picture was looked at. What is not sound is left out, as the core leaves it out.
    pub(super) fn saw(
        &mut self,
        camera: CameraId,
        at: MediaTime,
        detections: &[Detection],
    ) -> Result<(), Failure> {
        let seen = detections.iter().filter(|d| d.is_sound()).map(|d| Seen {
            class: d.class.0,
            score: d.score.into(),
            corners: [d.bbox.x0, d.bbox.y0, d.bbox.x1, d.bbox.y1].map(f64::from),
        });
        self.0.line(&Line::Saw(Saw { camera: camera.index() as u8, at_ns: at.ns, seen: seen.collect() }))
    }

    /// A camera's recording is over.
    pub(super) fn ended(&mut self, camera: CameraId) -> Result<(), Failure> {
        self.0.line(&Line::Ended { camera: camera.index() as u8 })
    }

    /// Every recording came to its end: seals the file and moves it to its place.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self(mut file) = self;
        let sha256 = file.digest()?;
        file.line(&Line::Seal { sha256 })?;
        file.publish()
    }
}

/// Recorded inputs, read one line at a time. Whole and unaltered: that was looked at when they were opened.
#[derive(Debug)]
pub(super) struct Recorded {
    path: PathBuf,
    lines: BufReader<io::Take<File>>,
    /// The line read last.
    line: u64,
    text: String,
    /// What was read and not taken yet.
    waiting: Option<Told>,
    header: Header,
    /// How many of the recorded cameras are used: the first ones.
    used: usize,
}

impl Recorded {
    /// Opens the file; `None` if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        match File::open(path) {
            Ok(file) => Self::check(path, file).map(Some).map_err(|e| refused(path, &e)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(refused(path, &Refusal::Unreadable(e))),
        }
    }

    fn check(path: &Path, mut file: File) -> Result<Self, Refusal> {
        let mut first = Vec::new();
        BufReader::new((&mut file).take(MAX_HEADER_BYTES))
            .read_until(b'\n', &mut first)
            .map_err(Refusal::Unreadable)?;
        let kind: Kind = serde_json::from_slice(&first).map_err(|_| Refusal::Other)?;
        match kind {
            Kind { format, .. } if format != FORMAT => return Err(Refusal::Other),
            Kind { version, .. } if version != VERSION => return Err(Refusal::Version(version)),
            Kind { .. } => {}
        }
        let body = sealed(&mut file)?;
        let header: Header =
            serde_json::from_slice(&first).map_err(|e| Refusal::Line { line: 1, reason: e.to_string() })?;
        file.seek(SeekFrom::Start(first.len() as u64)).map_err(Refusal::Unreadable)?;
        let lines = BufReader::new(file.take(body - first.len() as u64));
        let used = header.recorded_of.cameras();
        Ok(Self { path: path.to_owned(), lines, line: 1, text: String::new(), waiting: None, header, used })
    }

    /// Refuses the file if it was not recorded of this input, or of this input and further cameras: those are passed
    /// over from now on.
    pub(super) fn expect(&mut self, input: &Input) -> Result<(), Failure> {
        if let Some(what) = self.header.recorded_of.differs_from(input) {
            return Err(refused(&self.path, &Refusal::OtherInput(what)));
        }
        self.used = input.cameras();
        Ok(())
    }

    /// What the cart was told next.
    pub(super) fn take(&mut self) -> Result<Told, Failure> {
        match self.waiting.take() {
            Some(told) => Ok(told),
            None => self.read_next().map_err(|e| refused(&self.path, &e)),
        }
    }

    /// The same, and it stays the next.
    pub(super) fn peek(&mut self) -> Result<&Told, Failure> {
        let next = self.take()?;
        Ok(self.waiting.insert(next))
    }

    fn read_next(&mut self) -> Result<Told, Refusal> {
        loop {
            self.line += 1;
            let line = self.line;
            let wrong = |reason: String| Refusal::Line { line, reason };
            self.text.clear();
            self.lines.read_line(&mut self.text).map_err(Refusal::Unreadable)?;
            let told = match serde_json::from_str(&self.text).map_err(|e| wrong(e.to_string()))? {
                Line::Ended { camera } => self.camera(camera).map(|camera| camera.map(Told::Ended)),
                Line::Saw(saw) => self.told(saw),
                Line::Seal { .. } => Err("a seal before the end".to_owned()),
            };
            if let Some(told) = told.map_err(wrong)? {
                return Ok(told);
            }
        }
    }

    /// Nothing of a camera that is not used.
    fn told(&self, saw: Saw) -> Result<Option<Told>, String> {
        let Some(camera) = self.camera(saw.camera)? else { return Ok(None) };
        let mut detections = Detections::new();
        for Seen { class, score, corners } in saw.seen {
            let role = self.header.classes.get(usize::from(class)).map(|class| class.role);
            let role = role.ok_or_else(|| format!("there is no class {class}"))?;
            let [x0, y0, x1, y1] = corners.map(|v| v as f32);
            let bbox = BBox { x0, y0, x1, y1 };
            let detection = Detection { class: ClassId(class), role, score: score as f32, bbox };
            detections.push(detection).map_err(|_| "more detections than a picture has".to_owned())?;
        }
        Ok(Some(Told::Saw { camera, at: MediaTime { ns: saw.at_ns }, detections }))
    }

    /// `None` if it is not used.
    fn camera(&self, index: u8) -> Result<Option<CameraId>, String> {
        let index = usize::from(index);
        let known = (index < self.header.recorded_of.cameras()).then(|| CameraId::new(index)).flatten();
        let camera = known.ok_or_else(|| format!("there is no camera {index}"))?;
        Ok((index < self.used).then_some(camera))
    }
}

/// Looks at the seal; gives how many bytes stand before it.
fn sealed(file: &mut File) -> Result<u64, Refusal> {
    let tail = |file: &mut File| -> io::Result<(u64, Vec<u8>)> {
        let from = file.seek(SeekFrom::End(0))?.saturating_sub(MAX_SEAL_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.take(MAX_SEAL_BYTES).read_to_end(&mut tail)?;
        Ok((from, tail))
    };
    let (from, tail) = tail(file).map_err(Refusal::Unreadable)?;
    let whole = tail.strip_suffix(b"\n").ok_or(Refusal::CutOff)?;
    let last = whole.iter().rposition(|byte| *byte == b'\n').ok_or(Refusal::CutOff)? + 1;
    let Ok(Line::Seal { sha256 }) = serde_json::from_slice(&whole[last..]) else {
        return Err(Refusal::CutOff);
    };
    let body = from + last as u64;
    let rewound = file.seek(SeekFrom::Start(0)).and_then(|_| Digest::of_reader(file.take(body)));
    if rewound.map_err(Refusal::Unreadable)? == sha256 { Ok(body) } else { Err(Refusal::Altered) }
}

fn refused(path: &Path, refusal: &Refusal) -> Failure {
    Failure::usage(format_args!("{}: {refusal}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_bit() {
        let one = 1.0_f32.to_bits();
        // Some 100,000 of all numbers from 0 to 1, and those at the ends.
        let spread = (0..=one).step_by(10_007);
        for bits in spread.chain([1, 0x0080_0000, one - 1, one, 0.1_f32.to_bits(), (1.0_f32 / 3.0).to_bits()])
        {
            let number = f64::from(f32::from_bits(bits));
            let seen = vec![Seen { class: 7, score: number, corners: [number; 4] }];
            let text = serde_json::to_string(&Line::Saw(Saw { camera: 0, at_ns: u64::MAX, seen })).unwrap();
            let Ok(Line::Saw(back)) = serde_json::from_str(&text) else { panic!("{text}") };
            assert_eq!(back.at_ns, u64::MAX);
            let Seen { score, corners: [x0, y0, x1, y1], .. } = back.seen[0];
            for value in [score, x0, y0, x1, y1] {
                assert_eq!((value as f32).to_bits(), bits, "{text}");
            }
        }
    }
}
