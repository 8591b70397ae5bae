//! A product's pack shot, cut out and wrapped round a body.

use glam::Vec2;

use crate::dice::Dice;
use crate::form::{Layout, Shape};
use crate::paint::luma;
use crate::texture::{Canvas, Rgb};

/// Pixels on the longer side of what is kept of a picture.
const KEPT: usize = 160;
/// Lighter than this, and joined to the border, is the white that it was taken on.
const WHITE: f32 = 238.0;

/// A picture of a product, cut out.
#[derive(Clone, Debug)]
pub struct Picture {
    front: Canvas,
    /// Width over height of what was cut out.
    aspect: f32,
    /// Share of the box around it that it fills.
    fill: f32,
    mean: Rgb,
}

impl Picture {
    /// Cuts out of an RGBA picture (rows from the top, 4 bytes a pixel): by its alpha where it has one, else from
    /// white. `None` if nothing is left.
    pub fn cut_out(width: usize, height: usize, rgba: &[u8]) -> Option<Self> {
        if width == 0 || height == 0 || rgba.len() != width * height * 4 {
            return None;
        }
        let pixel = |i: usize| [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2], rgba[4 * i + 3]];
        let has_alpha = (0..width * height).any(|i| pixel(i)[3] < 128);
        let mut outside = vec![false; width * height];
        if has_alpha {
            for (i, out) in outside.iter_mut().enumerate() {
                *out = pixel(i)[3] < 128;
            }
        } else {
            // From the border inwards, so that white within the product stays.
            let mut open: Vec<usize> = (0..width)
                .flat_map(|x| [x, (height - 1) * width + x])
                .chain((0..height).flat_map(|y| [y * width, y * width + width - 1]))
                .collect();
            while let Some(i) = open.pop() {
                let [r, g, b, _] = pixel(i);
                if outside[i] || luma([r, g, b]) < WHITE {
                    continue;
                }
                outside[i] = true;
                let (x, y) = (i % width, i / width);
                if x > 0 {
                    open.push(i - 1);
                }
                if x + 1 < width {
                    open.push(i + 1);
                }
                if y > 0 {
                    open.push(i - width);
                }
                if y + 1 < height {
                    open.push(i + width);
                }
            }
        }
        let inside = || (0..width * height).filter(|i| !outside[*i]);
        let (mut left, mut top, mut right, mut bottom, mut count) = (width, height, 0, 0, 0_usize);
        let mut sum = [0_usize; 3];
        for i in inside() {
            let (x, y) = (i % width, i / width);
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
            count += 1;
            for (sum, value) in sum.iter_mut().zip(pixel(i)) {
                *sum += usize::from(value);
            }
        }
        if count == 0 {
            return None;
        }
        let mean = sum.map(|s| (s / count) as u8);
        let (w, h) = (right - left, bottom - top);
        let scale = KEPT as f32 / w.max(h) as f32;
        let kept = [(w as f32 * scale) as usize, (h as f32 * scale) as usize].map(|n| n.max(2));
        let mut front = Canvas::new(kept[0], kept[1], mean);
        for y in 0..kept[1] {
            let sy = top + y * h / kept[1];
            // Towards the edges of the row the nearest pixel of the product goes on.
            let row: Vec<usize> = (left..right).filter(|x| !outside[sy * width + x]).collect();
            let (Some(first), Some(last)) = (row.first(), row.last()) else { continue };
            for x in 0..kept[0] {
                let mut sx = (left + x * w / kept[0]).clamp(*first, *last);
                if outside[sy * width + sx] {
                    sx = row.iter().copied().min_by_key(|c| c.abs_diff(sx)).unwrap_or(sx);
                }
                let [r, g, b, _] = pixel(sy * width + sx);
                front.set(x, y, [r, g, b, 255]);
            }
        }
        Some(Self { front, aspect: w as f32 / h as f32, fill: count as f32 / (w * h) as f32, mean })
    }

    /// Width over height of the product in the picture.
    pub fn aspect(&self) -> f32 {
        self.aspect
    }

    /// A guess from the outline, for catalogues that do not tell: what fills its box is a box, what is twice as high
    /// as wide and fills most of it a bottle, all else produce.
    pub fn likely_shape(&self) -> Shape {
        if self.fill > 0.88 {
            Shape::Box
        } else if self.aspect < 0.5 && self.fill > 0.7 {
            Shape::Bottle
        } else {
            Shape::Produce
        }
    }

    /// The picture laid on a body.
    pub(crate) fn wrapped(&self, layout: Layout, variant: u32) -> Canvas {
        let at = |u: f32, v: f32| {
            let x = ((u.clamp(0.0, 0.999)) * self.front.width as f32) as usize;
            let y = ((v.clamp(0.0, 0.999)) * self.front.height as f32) as usize;
            self.front.get(x, y)
        };
        let fill = |canvas: &mut Canvas, of: &dyn Fn(f32, f32) -> Option<[u8; 4]>| {
            for y in 0..canvas.height {
                for x in 0..canvas.width {
                    let uv = Vec2::new(
                        (x as f32 + 0.5) / canvas.width as f32,
                        (y as f32 + 0.5) / canvas.height as f32,
                    );
                    if let Some(colour) = of(uv.x, uv.y) {
                        canvas.set(x, y, colour);
                    }
                }
            }
        };
        let mut canvas = match layout {
            Layout::Atlas => {
                let mut canvas = Canvas::new(6 * 96, 128, self.mean);
                fill(&mut canvas, &|u, v| {
                    let face = (u * 6.0) as usize;
                    // Front and back as they are; the sides a strip of the middle.
                    let within = u * 6.0 - face as f32;
                    match face {
                        0 | 2 => Some(at(within, v)),
                        1 | 3 => Some(at(0.06 + 0.06 * within, v)),
                        _ => None,
                    }
                });
                canvas
            }
            Layout::Round { .. } => {
                let mut canvas = Canvas::new(256, 128, self.mean);
                // Once on the front half, once on the back half.
                fill(&mut canvas, &|u, v| {
                    let half = u * 2.0 - (u * 2.0).floor();
                    Some(at(half, v))
                });
                canvas
            }
            Layout::Pillow => {
                let mut canvas = Canvas::new(256, 128, self.mean);
                fill(&mut canvas, &|u, v| Some(at(u * 2.0 - (u * 2.0).floor(), v)));
                canvas
            }
            Layout::Skin => {
                let mut canvas = Canvas::new(128, 128, self.mean);
                fill(&mut canvas, &|u, v| Some(at(u, v)));
                canvas
            }
        };
        let mut wear = Dice::new(0, "pictured", variant.into());
        let gain = glam::Vec3::ONE + wear.vec3(0.03);
        canvas.tint(|_, _, c| c * gain);
        canvas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_white(width: usize, height: usize, inside: impl Fn(usize, usize) -> bool) -> Vec<u8> {
        (0..width * height)
            .flat_map(
                |i| if inside(i % width, i / width) { [200, 30, 40, 255] } else { [255, 255, 255, 255] },
            )
            .collect()
    }

    #[test]
    fn outlines_tell_shapes() {
        let cases = [
            (on_white(40, 60, |x, y| (8..32).contains(&x) && (5..55).contains(&y)), 40, Shape::Box),
            (
                on_white(60, 60, |x, y| {
                    let (dx, dy) = (x as f32 - 30.0, y as f32 - 30.0);
                    dx * dx + dy * dy < 400.0
                }),
                60,
                Shape::Produce,
            ),
        ];
        for (rgba, width, shape) in cases {
            let picture = Picture::cut_out(width, rgba.len() / 4 / width, &rgba).unwrap();
            assert_eq!(picture.likely_shape(), shape);
        }
    }

    #[test]
    fn nothing_to_cut_out_is_nothing() {
        assert!(Picture::cut_out(8, 8, &on_white(8, 8, |_, _| false)).is_none());
        assert!(Picture::cut_out(8, 8, &[0; 12]).is_none());
        assert!(Picture::cut_out(0, 0, &[]).is_none());
    }
}
