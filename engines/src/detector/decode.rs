//! A detector's output, read as detections. Pure: needs no engine, allocates only until it has seen the largest
//! output.

use std::fmt;

use cartvision_core::{ClassId, Detections, Role};

use super::{
    candidates::{Candidate, Candidates},
    tensor::Letterbox,
};
use crate::bundle::{Family, Manifest};

/// The grids of YOLOX, input pixels a cell, in the order of its output.
const STRIDES: [usize; 3] = [8, 16, 32];

/// Why an output cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It has not the shape that the family gives.
    #[error(
        "output is {found}, but a {family} detector gives {expected} here; is this a detector, of that family \
             and with that input size?"
    )]
    Shape {
        /// The family.
        family: Family,
        /// The shape that it gives.
        expected: String,
        /// The shape that is there.
        found: String,
    },
    /// The class list and the model disagree.
    #[error(
        "the model tells {model} classes apart, but the class list has {listed}; use the class list that the \
             model was trained with, in its order"
    )]
    ClassCount {
        /// Classes that the output has room for.
        model: usize,
        /// Classes in the bundle.
        listed: usize,
    },
    /// The model names a class that the list does not have.
    #[error(
        "the model reports class {class}, but the class list has only {listed}; use the class list that the \
             model was trained with, in its order"
    )]
    ClassUnknown {
        /// Index of the class.
        class: usize,
        /// Classes in the bundle.
        listed: usize,
    },
    /// The data is not as long as its shape says.
    #[error("output has {len} values, but its shape {shape} needs {needed}")]
    Length {
        /// Values that are there.
        len: usize,
        /// The shape.
        shape: String,
        /// Values that the shape needs.
        needed: usize,
    },
}

/// Reads the outputs of one bundle's detector.
#[derive(Debug)]
pub struct Decoder {
    family: Family,
    /// Width and height of the input, pixels.
    input: (usize, usize),
    /// By class index.
    roles: Box<[Role]>,
    /// The least score of a detection.
    score: f32,
    /// The largest overlap of two detections of one class.
    nms_iou: f32,
    candidates: Candidates,
    /// The best class score of each box, for the family that stores scores class by class.
    best: Vec<f32>,
}

impl Decoder {
    /// A decoder for the detector that `manifest` describes.
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            family: manifest.detector.family,
            input: (manifest.detector.width, manifest.detector.height),
            roles: manifest.classes.iter().map(|class| class.role).collect(),
            score: manifest.thresholds.score,
            nms_iou: manifest.thresholds.nms_iou,
            candidates: Candidates::new(),
            best: Vec::new(),
        }
    }

    /// Boxes dropped so far because there were too many: past
    /// [`MAX_CANDIDATES`](super::MAX_CANDIDATES) before suppression, or past
    /// [`MAX_DETECTIONS`](cartvision_core::MAX_DETECTIONS) after it. Those with the highest scores are kept.
    pub fn cut(&self) -> u64 {
        self.candidates.cut()
    }

    /// Checks that outputs of this shape are what the family gives, for as many classes as the bundle lists
    /// (an `end2end` output does not tell its number of classes).
    ///
    /// # Errors
    /// [`DecodeError::Shape`] or [`DecodeError::ClassCount`].
    pub fn check(&self, shape: &[usize]) -> Result<(), DecodeError> {
        let classes = self.roles.len();
        match (self.family, shape) {
            (Family::Yolox, &[1, n, values]) if n == self.grid_cells() && values > 5 => {
                self.check_classes(values - 5)
            }
            // Boxes outnumber what is said of each; the other way round it is a transposed or another output.
            (Family::Yolo, &[1, values, n]) if values == 4 + classes || (values > 4 && values < n) => {
                self.check_classes(values - 4)
            }
            (Family::End2end, &[1, _, 6] | &[_, 6]) => Ok(()),
            _ => Err(self.unreadable(&Shape(shape).to_string())),
        }
    }

    /// The error for an output that is `found` and not what the family gives.
    pub(super) fn unreadable(&self, found: &str) -> DecodeError {
        let classes = self.roles.len();
        let expected = match self.family {
            Family::Yolox => format!("1×{}×{}", self.grid_cells(), 5 + classes),
            Family::Yolo => format!("1×{}×N", 4 + classes),
            Family::End2end => "1×N×6".to_owned(),
        };
        DecodeError::Shape { family: self.family, expected, found: found.to_owned() }
    }

    fn check_classes(&self, model: usize) -> Result<(), DecodeError> {
        let listed = self.roles.len();
        if model == listed { Ok(()) } else { Err(DecodeError::ClassCount { model, listed }) }
    }

    /// Cells of all YOLOX grids at this input size.
    fn grid_cells(&self) -> usize {
        STRIDES.iter().map(|stride| (self.input.0 / stride) * (self.input.1 / stride)).sum()
    }

    /// Reads one output of the given `shape` into `out`, which is overwritten: at or above the score threshold,
    /// suppressed by class, best first, normalized to the picture, without ignored classes. Whatever is not finite
    /// or lies outside the picture is no detection.
    ///
    /// # Errors
    /// [`DecodeError`]; `out` is then empty.
    pub fn decode(
        &mut self,
        output: &[f32],
        shape: &[usize],
        letterbox: &Letterbox,
        out: &mut Detections,
    ) -> Result<(), DecodeError> {
        out.clear();
        self.check(shape)?;
        let needed = shape.iter().product();
        if output.len() != needed {
            let shape = Shape(shape).to_string();
            return Err(DecodeError::Length { len: output.len(), shape, needed });
        }
        self.candidates.clear();
        match self.family {
            Family::Yolox => self.yolox(output, letterbox),
            Family::Yolo => self.yolo(output, letterbox),
            Family::End2end => self.end2end(output, letterbox)?,
        }
        let overlap = (self.family != Family::End2end).then_some(self.nms_iou);
        self.candidates.settle(overlap, out);
        Ok(())
    }

    fn yolox(&mut self, output: &[f32], letterbox: &Letterbox) {
        let mut rows = output.chunks_exact(5 + self.roles.len()).enumerate();
        for stride in STRIDES {
            let (columns, lines) = (self.input.0 / stride, self.input.1 / stride);
            for (cell, (index, row)) in rows.by_ref().take(columns * lines).enumerate() {
                let &[cx, cy, w, h, objectness, ref scores @ ..] = row else { continue };
                // Class scores are at most 1, so most cells are done with one comparison (which NaN fails).
                let possible = objectness >= self.score;
                if !possible {
                    continue;
                }
                let Some((class, best)) = strongest(scores.iter().copied()) else { continue };
                let s = stride as f32;
                let (x, y) = ((cx + (cell % columns) as f32) * s, (cy + (cell / columns) as f32) * s);
                let (w, h) = (w.exp() * s, h.exp() * s);
                self.offer(index, class, objectness * best, [x, y, w, h], letterbox);
            }
        }
    }

    fn yolo(&mut self, output: &[f32], letterbox: &Letterbox) {
        let n = output.len() / (4 + self.roles.len());
        let mut channels = output.chunks_exact(n.max(1));
        let (Some(x), Some(y), Some(w), Some(h)) =
            (channels.next(), channels.next(), channels.next(), channels.next())
        else {
            return;
        };
        let scores = channels;
        // Class by class, as it lies in memory; only the few boxes that pass are then read across.
        self.best.clear();
        self.best.resize(n, f32::NEG_INFINITY);
        for channel in scores.clone() {
            for (best, score) in self.best.iter_mut().zip(channel) {
                *best = best.max(*score);
            }
        }
        for i in 0..n {
            let possible = self.best[i] >= self.score;
            if !possible {
                continue;
            }
            let Some((class, best)) = strongest(scores.clone().map(|channel| channel[i])) else { continue };
            self.offer(i, class, best, [x[i], y[i], w[i], h[i]], letterbox);
        }
    }

    fn end2end(&mut self, output: &[f32], letterbox: &Letterbox) -> Result<(), DecodeError> {
        for (index, &[x0, y0, x1, y1, score, class]) in output.as_chunks::<6>().0.iter().enumerate() {
            if !(score >= self.score && class >= 0.0 && class.fract() == 0.0) {
                continue;
            }
            let (class, listed) = (class as usize, self.roles.len());
            if class >= listed {
                return Err(DecodeError::ClassUnknown { class, listed });
            }
            let bbox = [(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0];
            self.offer(index, class, score, bbox, letterbox);
        }
        Ok(())
    }

    /// Takes a box (centre and size, input pixels) as a candidate, if it is one.
    fn offer(
        &mut self,
        index: usize,
        class: usize,
        score: f32,
        [x, y, w, h]: [f32; 4],
        letterbox: &Letterbox,
    ) {
        let role = self.roles[class];
        if role == Role::Ignore || !(score >= self.score && score.is_finite()) {
            return;
        }
        let (w, h) = (w / 2.0, h / 2.0);
        let Some(bbox) = letterbox.normalized(x - w, y - h, x + w, y + h) else { return };
        // The manifest holds at most 65535 classes.
        let class = ClassId(class as u16);
        self.candidates.offer(Candidate { class, role, score: score.min(1.0), bbox, index });
    }
}

/// The first of the highest scores, and its class; `None` when all are NaN.
fn strongest(scores: impl Iterator<Item = f32>) -> Option<(usize, f32)> {
    let numbers = scores.enumerate().filter(|(_, score)| !score.is_nan());
    numbers.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// Extents, written as `1×84×8400`.
struct Shape<'a>(&'a [usize]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, extent) in self.0.iter().enumerate() {
            write!(f, "{}{extent}", if i == 0 { "" } else { "×" })?;
        }
        if self.0.is_empty() { f.write_str("a scalar") } else { Ok(()) }
    }
}
