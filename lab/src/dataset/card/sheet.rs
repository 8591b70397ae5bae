//! The contact sheet: pictures in rows, boxes drawn on them, each with its label.

use font8x8::UnicodeFonts as _;
use image::{Rgb, RgbImage, imageops};

use crate::dataset::labels::Label;

/// Of the whole sheet, pixels.
const MAX_WIDTH: u32 = 1600;
const COLUMNS: u32 = 4;
/// Of a line of text: eight pixels and one around them.
const LINE: u32 = 10;
const LETTER: u32 = 8;
/// A longer label is cut, so that the pictures stay visible under many of them.
const LABEL_LETTERS: usize = 16;
const PAPER: Rgb<u8> = Rgb([24, 24, 24]);
const INK: Rgb<u8> = Rgb([0, 0, 0]);
const CAPTION: Rgb<u8> = Rgb([220, 220, 220]);

/// A picture that is to be shown.
pub(super) struct Tile {
    pub(super) picture: RgbImage,
    pub(super) labels: Vec<(Label, String)>,
    pub(super) caption: String,
}

/// Draws a sheet; `None` without tiles.
pub(super) fn draw(tiles: &[Tile]) -> Option<RgbImage> {
    let first = tiles.first()?;
    let columns = COLUMNS.min(u32::try_from(tiles.len()).unwrap_or(COLUMNS));
    let width = MAX_WIDTH / COLUMNS;
    // All in cells of the first one's shape; another shape is fitted in.
    let (w, h) = first.picture.dimensions();
    let height = (width * h / w.max(1)).clamp(LINE, 4 * width);
    let rows = u32::try_from(tiles.len()).unwrap_or(u32::MAX).div_ceil(columns);
    let mut sheet = RgbImage::from_pixel(columns * width, rows * (height + LINE), PAPER);
    for (tile, place) in tiles.iter().zip(0_u32..) {
        let (left, top) = (place % columns * width, place / columns * (height + LINE));
        let (w, h) = tile.picture.dimensions();
        let scale = (f64::from(width) / f64::from(w)).min(f64::from(height) / f64::from(h));
        let side = |side: u32| ((f64::from(side) * scale) as u32).max(1);
        let picture = imageops::resize(&tile.picture, side(w), side(h), imageops::FilterType::Triangle);
        let mut cell = RgbImage::from_pixel(width, height, PAPER);
        imageops::overlay(&mut cell, &picture, 0, 0);
        // Boxes first, so that no box crosses a label.
        let boxes: Vec<_> = tile
            .labels
            .iter()
            .map(|(label, name)| (pixels(label, scale), colour(label.class), name))
            .collect();
        for (bounds, colour, _) in &boxes {
            frame(&mut cell, *bounds, *colour);
        }
        for ([x0, y0, ..], colour, name) in &boxes {
            let name: String = name.chars().take(LABEL_LETTERS).collect();
            // Above its box where there is room; no further to the right than it can be read.
            let length = LETTER * u32::try_from(name.chars().count()).unwrap_or(0);
            let x = (*x0).min(width.saturating_sub(length + 2));
            write(&mut cell, (x, y0.saturating_sub(LINE)), &name, INK, Some(*colour));
        }
        imageops::overlay(&mut sheet, &cell, i64::from(left), i64::from(top));
        write(&mut sheet, (left, top + height), &fitting(&tile.caption, width), CAPTION, None);
    }
    Some(sheet)
}

/// A box in the cell: left, top, right and bottom, all within.
fn pixels(label: &Label, scale: f64) -> [u32; 4] {
    label.bounds.map(|side| (side * scale).round().max(0.0) as u32)
}

/// A colour for each class, the same on every sheet; neighbours in the list differ much.
fn colour(class: usize) -> Rgb<u8> {
    // Around the circle of hues by the golden angle.
    let hue = (class as f64 * 137.508).rem_euclid(360.0) / 60.0;
    let part = |shift: f64| {
        let distance = ((hue + shift).rem_euclid(6.0) - 3.0).abs() - 1.0;
        (80.0 + 175.0 * distance.clamp(0.0, 1.0)) as u8
    };
    Rgb([part(0.0), part(4.0), part(2.0)])
}

/// Two pixels thick where the box is large enough, and never outside the picture.
fn frame(image: &mut RgbImage, [x0, y0, x1, y1]: [u32; 4], colour: Rgb<u8>) {
    let (right, bottom) = (x1.min(image.width()), y1.min(image.height()));
    let thick = if right.saturating_sub(x0) > 12 && bottom.saturating_sub(y0) > 12 { 2 } else { 1 };
    for y in y0..bottom {
        for x in x0..right {
            if x < x0 + thick || y < y0 + thick || x + thick >= right || y + thick >= bottom {
                image.put_pixel(x, y, colour);
            }
        }
    }
}

/// As much of a text as fits into a width.
fn fitting(text: &str, width: u32) -> String {
    text.chars().take(usize::try_from(width / LETTER).unwrap_or(0)).collect()
}

/// Writes a line of text, on a ground where one is given.
fn write(image: &mut RgbImage, (left, top): (u32, u32), text: &str, ink: Rgb<u8>, ground: Option<Rgb<u8>>) {
    for (place, letter) in (0_u32..).zip(text.chars()) {
        let rows = font8x8::BASIC_FONTS
            .get(letter)
            .or_else(|| font8x8::LATIN_FONTS.get(letter))
            .or_else(|| font8x8::BASIC_FONTS.get('?'))
            .unwrap_or_default();
        for y in 0..LINE {
            for x in 0..LETTER {
                let row = y.checked_sub(1).and_then(|y| rows.get(y as usize)).copied().unwrap_or(0);
                let colour = if row >> x & 1 == 1 { Some(ink) } else { ground };
                let at = (left + place * LETTER + x, top + y);
                if let Some(colour) = colour
                    && at.0 < image.width()
                    && at.1 < image.height()
                {
                    image.put_pixel(at.0, at.1, colour);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_where_it_should_be_and_the_sheet_no_wider_than_agreed() {
        let grey = Rgb([100, 100, 100]);
        let label = Label { class: 3, bounds: [160.0, 90.0, 320.0, 180.0], visibility: None };
        let tiles: Vec<_> = (0..5)
            .map(|_| Tile {
                picture: RgbImage::from_pixel(640, 360, grey),
                labels: vec![(label.clone(), "Äpfel, rot".to_owned())],
                caption: "x".repeat(500),
            })
            .collect();
        let sheet = draw(&tiles).unwrap();
        assert_eq!(sheet.dimensions(), (1600, 2 * 235));
        let scale = 400.0 / 640.0;
        let [x0, y0, x1, y1] = label.bounds.map(|side| (side * scale) as u32);
        let line = colour(3);
        // Second row, first column.
        let top = 235;
        for (x, y) in [(x0, y0 + 20), (x1 - 1, y0 + 20), (x0 + 50, y0), (x0 + 50, y1 - 1)] {
            assert_eq!(*sheet.get_pixel(x, top + y), line, "the box's edge at {x} {y}");
        }
        assert_eq!(*sheet.get_pixel(x0 + 50, top + y0 + 20), grey, "inside the box");
        assert_eq!(*sheet.get_pixel(x0 - 5, top + y0 + 20), grey, "beside the box");
        assert!(draw(&[]).is_none());
    }
}
