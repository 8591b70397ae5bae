//! The picture becomes the input tensor: in one pass over its pixels, or by copying its rows.

use cartvision_core::{BBox, Picture, PixelFormat, picture};

use crate::{
    bundle::{Colour, DetectorModel, Placement, TensorLayout},
    tensorrt::Slice,
};

/// Why a picture cannot be given to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// It was not scaled to the fitted size.
    #[error("picture is {width}×{height}, but the model's input is {input_width}×{input_height}; scale pictures to \
             the fitted size, here {}×{}", fitted.0, fitted.1)]
    Size {
        /// Width of the picture, pixels.
        width: usize,
        /// Height of the picture, pixels.
        height: usize,
        /// Width of the input, pixels.
        input_width: usize,
        /// Height of the input, pixels.
        input_height: usize,
        /// The fitted size of a picture of this aspect.
        fitted: (usize, usize),
    },
    /// Its data is too short for its size.
    #[error("picture has {len} bytes, but its size, stride and format need {needed}")]
    Data {
        /// Bytes that it has.
        len: usize,
        /// Bytes that it needs.
        needed: usize,
    },
}

/// How a picture lies in a model's input; all in input pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letterbox {
    /// Width of the input.
    pub input_width: usize,
    /// Height of the input.
    pub input_height: usize,
    /// Width of the picture.
    pub width: usize,
    /// Height of the picture.
    pub height: usize,
    /// Padding on the left of the picture.
    pub left: usize,
    /// Padding above the picture.
    pub top: usize,
}

impl Letterbox {
    /// How `picture` lies in the input of `model`.
    ///
    /// # Errors
    /// [`PictureError`] when it has not the fitted size (within the input, and as wide or as high as it), or less
    /// data than its size needs.
    pub fn of(picture: &Picture<'_>, model: &DetectorModel) -> Result<Self, PictureError> {
        let Picture { width, height, stride, .. } = *picture;
        let (input_width, input_height) = (model.width, model.height);
        let within = (1..=input_width).contains(&width) && (1..=input_height).contains(&height);
        if !within || (width < input_width && height < input_height) {
            let fitted = picture::fit(width.max(1), height.max(1), input_width, input_height);
            return Err(PictureError::Size { width, height, input_width, input_height, fitted });
        }
        let row = width * picture.format.bytes_per_pixel();
        let needed = stride.max(row).saturating_mul(height - 1).saturating_add(row);
        if stride < row || picture.data.len() < needed {
            return Err(PictureError::Data { len: picture.data.len(), needed });
        }
        let (left, top) = match model.padding.placement {
            Placement::TopLeft => (0, 0),
            Placement::Centre => ((input_width - width) / 2, (input_height - height) / 2),
        };
        Ok(Self { input_width, input_height, width, height, left, top })
    }

    /// A box with these edges in input pixels, normalized to the picture and clipped to it; `None` when an edge is
    /// not finite or nothing of the box lies in the picture.
    pub(super) fn normalized(&self, x0: f32, y0: f32, x1: f32, y1: f32) -> Option<BBox> {
        if !(x0.is_finite() && y0.is_finite() && x1.is_finite() && y1.is_finite()) {
            return None;
        }
        let x = |x: f32| ((x - self.left as f32) / self.width as f32).clamp(0.0, 1.0);
        let y = |y: f32| ((y - self.top as f32) / self.height as f32).clamp(0.0, 1.0);
        let bbox = BBox { x0: x(x0), y0: y(y0), x1: x(x1), y1: y(y1) };
        (bbox.x0 < bbox.x1 && bbox.y0 < bbox.y1).then_some(bbox)
    }
}

/// Writes the picture into the model's input, see [`write`] and [`copy`].
pub(super) fn fill(
    picture: &Picture<'_>,
    letterbox: &Letterbox,
    model: &DetectorModel,
    pad: bool,
    input: Slice<'_>,
) {
    match (input, model.colour) {
        (Slice::F32(data), _) => {
            write(picture, letterbox, model, pad, |byte| f32::from(byte) * model.scale, data)
        }
        (Slice::U8(data), Colour::Rgbx) => copy(picture, letterbox, model, pad, data),
        (Slice::U8(data), Colour::Rgb | Colour::Bgr) => {
            write(picture, letterbox, model, pad, |byte| byte, data)
        }
    }
}

/// Writes the picture into `tensor` (1×3×height×width or 1×height×width×3), each byte through `value`. With `pad`
/// the rest is filled first; without, it is left as it is. Both were checked by [`Letterbox::of`].
fn write<T: Copy>(
    picture: &Picture<'_>,
    letterbox: &Letterbox,
    model: &DetectorModel,
    pad: bool,
    value: impl Fn(u8) -> T + Copy,
    tensor: &mut [T],
) {
    if pad {
        tensor.fill(value(model.padding.value));
    }
    match (model.layout, picture.format) {
        (TensorLayout::Nchw, PixelFormat::Rgb) => {
            planes::<T, 3>(picture, letterbox, model.colour, value, tensor)
        }
        (TensorLayout::Nchw, PixelFormat::Rgbx) => {
            planes::<T, 4>(picture, letterbox, model.colour, value, tensor)
        }
        (TensorLayout::Nhwc, PixelFormat::Rgb) => {
            pixels::<T, 3>(picture, letterbox, model.colour, value, tensor)
        }
        (TensorLayout::Nhwc, PixelFormat::Rgbx) => {
            pixels::<T, 4>(picture, letterbox, model.colour, value, tensor)
        }
    }
}

/// Copies the picture into `tensor` (1×height×width×4), row by row; otherwise as [`write`].
fn copy(picture: &Picture<'_>, letterbox: &Letterbox, model: &DetectorModel, pad: bool, tensor: &mut [u8]) {
    if pad {
        tensor.fill(model.padding.value);
    }
    let (pixels, _) = tensor.as_chunks_mut::<4>();
    let mut lines = pixels
        .chunks_mut(letterbox.input_width)
        .skip(letterbox.top)
        .map(|line| &mut line[letterbox.left..letterbox.left + letterbox.width]);
    match picture.format {
        PixelFormat::Rgbx => {
            for (row, line) in rows::<4>(picture, letterbox).zip(&mut lines) {
                line.copy_from_slice(row);
            }
        }
        // Not what capture gives: other users' pictures, whose missing byte nobody looks at.
        PixelFormat::Rgb => {
            for (row, line) in rows::<3>(picture, letterbox).zip(&mut lines) {
                for ([r, g, b], out) in row.iter().zip(line) {
                    *out = [*r, *g, *b, model.padding.value];
                }
            }
        }
    }
}

/// One row of the picture after the other.
fn rows<'a, const BYTES: usize>(
    picture: &'a Picture<'_>,
    letterbox: &Letterbox,
) -> impl Iterator<Item = &'a [[u8; BYTES]]> {
    let width = letterbox.width * BYTES;
    picture.data.chunks(picture.stride).take(letterbox.height).map(move |row| row[..width].as_chunks().0)
}

fn planes<T: Copy, const BYTES: usize>(
    picture: &Picture<'_>,
    letterbox: &Letterbox,
    colour: Colour,
    value: impl Fn(u8) -> T + Copy,
    tensor: &mut [T],
) {
    let plane = letterbox.input_width * letterbox.input_height;
    let (first, rest) = tensor.split_at_mut(plane);
    let (second, third) = rest.split_at_mut(plane);
    let (red, green, blue) = match colour {
        // Manifests with rgbx in planes are refused.
        Colour::Rgb | Colour::Rgbx => (first, second, third),
        Colour::Bgr => (third, second, first),
    };
    for (y, row) in rows::<BYTES>(picture, letterbox).enumerate() {
        let at = (letterbox.top + y) * letterbox.input_width + letterbox.left;
        let span = at..at + letterbox.width;
        let out = red[span.clone()].iter_mut().zip(&mut green[span.clone()]).zip(&mut blue[span]);
        for (pixel, ((r, g), b)) in row.iter().zip(out) {
            *r = value(pixel[0]);
            *g = value(pixel[1]);
            *b = value(pixel[2]);
        }
    }
}

fn pixels<T: Copy, const BYTES: usize>(
    picture: &Picture<'_>,
    letterbox: &Letterbox,
    colour: Colour,
    value: impl Fn(u8) -> T + Copy,
    tensor: &mut [T],
) {
    let (first, last) = match colour {
        // It is for `copy`.
        Colour::Rgb | Colour::Rgbx => (0, 2),
        Colour::Bgr => (2, 0),
    };
    let (tensor, _) = tensor.as_chunks_mut::<3>();
    for (y, row) in rows::<BYTES>(picture, letterbox).enumerate() {
        let at = (letterbox.top + y) * letterbox.input_width + letterbox.left;
        for (pixel, out) in row.iter().zip(&mut tensor[at..at + letterbox.width]) {
            *out = [value(pixel[first]), value(pixel[1]), value(pixel[last])];
        }
    }
}
