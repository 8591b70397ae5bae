//! What a picture is: the one thing that capture hands over and inference takes.

/// Byte order of one pixel in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three bytes: red, green, blue.
    Rgb,
    /// Four bytes: red, green, blue, one that means nothing (RGBA counts as RGBx).
    Rgbx,
}

impl PixelFormat {
    /// Bytes from one pixel to the next.
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgbx => 4,
        }
    }
}

/// A borrowed 8-bit picture, rows from the top. It covers the camera's whole view, so normalized coordinates
/// (0 to 1 of width and height) mean the same in the picture and in the camera.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// `height` rows of `stride` bytes; the last row may end after its last pixel.
    pub data: &'a [u8],
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Byte order of a pixel.
    pub format: PixelFormat,
}

/// The largest width and height, in whole pixels and at least 1, that keep the aspect of a `width` × `height`
/// picture and fit into `max_width` × `max_height`.
pub const fn fit(width: usize, height: usize, max_width: usize, max_height: usize) -> (usize, usize) {
    // Truncation, as detector exporters' own letterboxing does it.
    let (w, h) = if width * max_height >= height * max_width {
        (max_width, height * max_width / width)
    } else {
        (width * max_height / height, max_height)
    };
    (if w == 0 { 1 } else { w }, if h == 0 { 1 } else { h })
}
