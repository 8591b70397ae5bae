//! Label art: what is printed on a product, from a design that near-twins share.

use glam::{Vec2, Vec3};

use crate::dice::Dice;
use crate::form::Layout;
use crate::texture::{Canvas, Rgb, hsv, noise};

/// What a product's print looks like. Twins have the same `layout` and `base` and differ in `accent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Design {
    /// Ground colour.
    pub(crate) base: Rgb,
    /// Colour of what tells the sort: a band, a fruit, a word.
    pub(crate) accent: Rgb,
    /// Colour of what the package itself is made of: glass, plastic, tin.
    pub(crate) material: Rgb,
    /// Colour of cap or lid.
    pub(crate) lid: Rgb,
    /// Where things stand on the label.
    pub(crate) layout: u64,
}

/// One printed instance of a design: print runs, stickers and wear differ.
pub(crate) fn print(design: &Design, layout: Layout, variant: u32) -> Canvas {
    let mut wear = Dice::new(design.layout ^ u64::from(design.accent[0]) << 32, "variant", variant.into());
    let mut canvas = match layout {
        Layout::Atlas => {
            let mut canvas = Canvas::new(6 * 72, 96, design.base);
            for (face, front) in [(0, true), (1, false), (2, true), (3, false)] {
                label(&mut canvas, design, [face as f32 / 6.0, 0.0, (face + 1) as f32 / 6.0, 1.0], front);
            }
            canvas.rectangle(mix(design.base, design.accent, 0.5), [4.0 / 6.0, 0.3, 5.0 / 6.0, 0.7]);
            canvas
        }
        Layout::Round { label: [top, bottom], lid } => {
            let mut canvas = Canvas::new(192, 128, design.material);
            // Glass and plastic are lighter where the light comes through.
            canvas.tint(|u, _, c| c * (0.92 + 0.16 * (u * 4.0 - (u * 4.0).floor() - 0.5).abs()));
            label(&mut canvas, design, [0.0, top, 0.5, bottom], true);
            label(&mut canvas, design, [0.5, top, 1.0, bottom], true);
            canvas.rectangle(design.lid, [0.0, 0.0, 1.0, lid]);
            canvas.paint(mix(design.lid, [0, 0, 0], 0.3), |u, v| {
                if v < lid && v > lid * 0.45 && (u * 40.0) as i32 % 2 == 0 { 0.5 } else { 0.0 }
            });
            canvas
        }
        Layout::Pillow => {
            let mut canvas = Canvas::new(256, 128, design.base);
            label(&mut canvas, design, [0.0, 0.04, 0.5, 0.96], true);
            label(&mut canvas, design, [0.5, 0.04, 1.0, 0.96], true);
            // Crimped seams.
            canvas.paint(mix(design.base, [230, 230, 230], 0.6), |u, v| {
                let seam = !(0.05..=0.95).contains(&v);
                if seam && (u * 96.0) as i32 % 2 == 0 { 0.8 } else { 0.0 }
            });
            canvas
        }
        Layout::Skin => {
            let mut canvas = Canvas::new(96, 96, design.base);
            let seed = design.layout as u32 ^ variant.wrapping_mul(77);
            canvas.paint(design.accent, |u, v| {
                let coarse = noise(seed, u * 5.0, v * 5.0, 5);
                let fine = noise(seed ^ 9, u * 24.0, v * 24.0, 24);
                (coarse * 1.6 - 0.6).max(0.0) * 0.8 + if fine > 0.8 { 0.35 } else { 0.0 }
            });
            canvas.ellipse([84, 66, 38], Vec2::new(0.5, 0.06), Vec2::splat(0.035));
            canvas
        }
    };
    // A print run: a little off in hue and lightness; rubbed and dusty here and there.
    let gain = Vec3::ONE + wear.vec3(0.035);
    let lightness = wear.between(0.92, 1.06);
    let seed = wear.bits();
    canvas.tint(|u, v, c| {
        let dust = noise(seed, u * 9.0, v * 9.0, 9);
        c * gain * lightness * (0.95 + 0.08 * dust)
    });
    if wear.chance(0.35) && !matches!(layout, Layout::Skin) {
        let (u, v) = (wear.below(6) as f32 / 6.0 + wear.between(0.01, 0.06), wear.between(0.25, 0.75));
        let sticker = [[250, 214, 30], [240, 90, 40], [245, 245, 240]][wear.below(3)];
        canvas.rectangle(sticker, [u, v, u + 0.085, v + 0.14]);
        canvas.rectangle([40, 40, 40], [u + 0.012, v + 0.03, u + 0.055, v + 0.07]);
    }
    canvas
}

/// Paints one label into the part `[u0, v0, u1, v1]` of the canvas.
fn label(canvas: &mut Canvas, design: &Design, area: [f32; 4], front: bool) {
    let mut dice = Dice::new(design.layout, "label", u64::from(front));
    let [u0, v0, u1, v1] = area;
    let (w, h) = (u1 - u0, v1 - v0);
    let within = |[a, b, c, d]: [f32; 4]| [u0 + a * w, v0 + b * h, u0 + c * w, v0 + d * h];
    let at = |x: f32, y: f32| Vec2::new(u0 + x * w, v0 + y * h);
    let light = luma(design.base) > 140.0;
    let ink: Rgb = if light { [30, 30, 36] } else { [240, 238, 230] };
    canvas.rectangle(design.base, area);
    if !front {
        // A side: small print, a table, a barcode.
        canvas.rectangle(design.accent, within([0.0, 0.0, 1.0, 0.14]));
        words(canvas, &mut dice, ink, within([0.12, 0.2, 0.88, 0.6]), 7);
        canvas.rectangle([245, 245, 245], within([0.14, 0.68, 0.86, 0.94]));
        let [b0, c0, b1, c1] = within([0.2, 0.71, 0.8, 0.91]);
        let bars = dice.bits();
        canvas.paint([15, 15, 15], |u, v| {
            let inside = u >= b0 && u < b1 && v >= c0 && v < c1;
            let bar = ((u - b0) / (b1 - b0) * 32.0) as u32;
            f32::from(u8::from(inside && bars.rotate_left(bar) & 1 == 1))
        });
        return;
    }
    match dice.below(3) {
        // The accent as a broad band below, as a slanted half, or as a frame.
        0 => canvas.rectangle(design.accent, within([0.0, 0.62, 1.0, 1.0])),
        1 => {
            let slant = dice.between(-0.3, 0.3);
            canvas.paint(design.accent, |u, v| {
                let (x, y) = ((u - u0) / w, (v - v0) / h);
                let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
                f32::from(u8::from(inside && y > 0.55 + slant * (x - 0.5)))
            });
        }
        _ => {
            canvas.rectangle(design.accent, area);
            canvas.rectangle(design.base, within([0.1, 0.1, 0.9, 0.58]));
        }
    }
    // The maker's sign, the same on twins.
    let sign = hsv(dice.share(), 0.75, if light { 0.45 } else { 0.95 });
    let y = dice.between(0.2, 0.34);
    if dice.chance(0.5) {
        canvas.ellipse(sign, at(0.5, y), Vec2::new(0.36 * w, 0.13 * h));
        words(canvas, &mut dice, [250, 250, 250], within([0.24, y - 0.06, 0.76, y + 0.06]), 1);
    } else {
        canvas.rectangle(sign, within([0.14, y - 0.1, 0.86, y + 0.1]));
        words(canvas, &mut dice, [252, 250, 240], within([0.2, y - 0.06, 0.8, y + 0.06]), 1);
    }
    words(canvas, &mut dice, ink, within([0.2, y + 0.15, 0.8, y + 0.24]), 1);
    // What is inside: a few round things in a pale field.
    let pale = mix(design.accent, [255, 255, 255], 0.72);
    canvas.ellipse(pale, at(0.5, 0.78), Vec2::new(0.34 * w, 0.17 * h));
    for _ in 0..3 {
        let place = at(0.5 + dice.between(-0.18, 0.18), 0.78 + dice.between(-0.07, 0.07));
        canvas.ellipse(mix(design.accent, [0, 0, 0], 0.18), place, Vec2::new(0.11 * w, 0.075 * h));
    }
}

/// Lines of letters, too small to read.
fn words(canvas: &mut Canvas, dice: &mut Dice, ink: Rgb, [u0, v0, u1, v1]: [f32; 4], lines: usize) {
    let pitch = (v1 - v0) / lines as f32;
    for line in 0..lines {
        let top = v0 + pitch * line as f32 + pitch * 0.12;
        let bottom = top + pitch * 0.68;
        let letters = if lines == 1 { 4 + dice.below(4) } else { 14 };
        let step = (u1 - u0) / letters as f32;
        for i in 0..letters {
            if lines > 1 && dice.chance(0.18) {
                continue;
            }
            let left = u0 + step * i as f32;
            let right = left + step * 0.72;
            canvas.rectangle(ink, [left, top, left + step * 0.25, bottom]);
            match dice.below(4) {
                0 => canvas.rectangle(ink, [left, top, right, top + (bottom - top) * 0.28]),
                1 => canvas.rectangle(ink, [left, bottom - (bottom - top) * 0.28, right, bottom]),
                2 => canvas.rectangle(ink, [right - step * 0.25, top, right, bottom]),
                _ => {
                    let middle = (top + bottom) * 0.5;
                    canvas.rectangle(ink, [left, middle, right, middle + (bottom - top) * 0.2]);
                }
            }
        }
    }
}

pub(crate) fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|i| (f32::from(a[i]) * (1.0 - share) + f32::from(b[i]) * share) as u8)
}

pub(crate) fn luma([r, g, b]: Rgb) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}
