//! From light to bytes: what lens and sensor make of a picture.

use crate::dice::Dice;
use crate::order::Order;

/// Linear light of one pixel.
pub(crate) type Linear = [f32; 3];

/// Steps of the tone curve.
const TONES: usize = 4096;
/// Length of the table of noise; a prime, so that rows do not repeat.
const GRAIN: usize = 65_521;

/// One camera's lens and sensor.
#[derive(Clone, Debug)]
pub(crate) struct Film {
    width: usize,
    height: usize,
    /// Gain of each channel at rest: exposure and white balance.
    gain: Linear,
    /// How far exposure and white balance wander, and how fast.
    drift: [(f32, f32, f32); 3],
    /// Share of a neighbour's light that a pixel gets.
    blur: f32,
    /// Noise: of light itself, and of the sensor, in bytes.
    shot: f32,
    read: f32,
    grain: Vec<i8>,
    /// Light that each pixel's place on the lens lets through, and haze that dirt adds.
    glass: Vec<(f32, f32)>,
    tones: Vec<u8>,
    rows: Vec<Linear>,
    seed: u64,
}

impl Film {
    pub(crate) fn new(order: &Order, camera: usize) -> Self {
        let mut dice = Dice::new(order.seed, "film", camera as u64);
        let d = order.difficulty;
        let (width, height) = (order.width, order.height);
        let exposure = dice.between(d.of(0.95, 0.75, 0.45), d.of(1.1, 1.25, 1.35));
        let warm = dice.normal() * d.of(0.02, 0.05, 0.08);
        let green = dice.normal() * 0.02;
        let gain = [exposure * (1.0 + warm), exposure * (1.0 + green), exposure * (1.0 - warm)];
        let swing = d.of(0.02, 0.05, 0.09);
        let drift = [0.11, 0.07, 0.05].map(|f| {
            (dice.between(0.0, swing), f * dice.between(0.6, 1.8), dice.between(0.0, crate::mesh::TURN))
        });
        let blobs: Vec<[f32; 4]> = (0..dice.below(d.of(2, 4, 9)))
            .map(|_| {
                let (x, y) = (dice.share() * width as f32, dice.share() * height as f32);
                [x, y, dice.between(0.015, 0.07) * width as f32, dice.between(0.05, d.of(0.1, 0.2, 0.4))]
            })
            .collect();
        let edge = dice.between(0.12, 0.35);
        let half_diagonal = ((width * width + height * height) as f32) * 0.25;
        let glass = (0..width * height)
            .map(|i| {
                let (x, y) = ((i % width) as f32, (i / width) as f32);
                let (dx, dy) = (x - width as f32 * 0.5, y - height as f32 * 0.5);
                let corner = (dx * dx + dy * dy) / half_diagonal;
                let mut through = 1.0 - edge * corner;
                let mut haze = 0.0;
                for [bx, by, radius, depth] in &blobs {
                    let r2 = ((x - bx) * (x - bx) + (y - by) * (y - by)) / (radius * radius);
                    if r2 < 1.0 {
                        let soft = (1.0 - r2) * (1.0 - r2) * depth;
                        through *= 1.0 - soft;
                        haze += soft * 0.25;
                    }
                }
                (through, haze)
            })
            .collect();
        let contrast = dice.between(0.9, 1.12);
        let tones = (0..TONES)
            .map(|i| {
                let light = i as f32 / TONES as f32 * 1.25;
                // A soft shoulder instead of clipping, then sRGB.
                let light = if light > 0.8 { 0.8 + (light - 0.8) * 0.5 } else { light };
                let value = if light <= 0.003_130_8 {
                    12.92 * light
                } else {
                    1.055 * libm::powf(light, 1.0 / 2.4) - 0.055
                };
                (((value - 0.5) * contrast + 0.5).clamp(0.0, 1.0) * 255.0 + 0.5) as u8
            })
            .collect();
        let grain = (0..GRAIN).map(|_| (dice.normal() * 36.0).clamp(-127.0, 127.0) as i8).collect();
        Self {
            width,
            height,
            gain,
            drift,
            blur: dice.between(0.10, d.of(0.16, 0.22, 0.30)),
            shot: dice.between(0.5, d.of(1.2, 2.4, 4.5)),
            read: dice.between(0.4, d.of(0.9, 1.6, 3.2)),
            grain,
            glass,
            tones,
            rows: vec![[0.0; 3]; width * height],
            seed: order.seed ^ (camera as u64) << 56,
        }
    }

    /// Makes the bytes (RGB, row by row) of frame number `frame` at time `t` from light; `shift` is how far the
    /// picture is shaken, pixels.
    pub(crate) fn expose(
        &mut self,
        light: &[Linear],
        t: f32,
        frame: u32,
        shift: (i32, i32),
        out: &mut Vec<u8>,
    ) {
        let (width, height) = (self.width, self.height);
        let wander =
            self.drift.map(|(size, f, phase)| 1.0 + size * libm::sinf(t * f * crate::mesh::TURN + phase));
        // Exposure wanders for all channels alike; white balance between red and blue.
        let gain = [
            self.gain[0] * wander[0] * wander[1],
            self.gain[1] * wander[0],
            self.gain[2] * wander[0] / wander[1],
        ];
        // Along rows into scratch, then along columns into bytes: a little of each neighbour.
        let (own, other) = (1.0 - 2.0 * self.blur, self.blur);
        for y in 0..height {
            let from = (y as i32 + shift.1).clamp(0, height as i32 - 1) as usize;
            let row = &light[from * width..(from + 1) * width];
            let to = &mut self.rows[y * width..(y + 1) * width];
            if shift.0 == 0 {
                for x in 0..width {
                    let (a, b, c) = (&row[x.saturating_sub(1)], &row[x], &row[(x + 1).min(width - 1)]);
                    to[x] = std::array::from_fn(|i| (a[i] + c[i]) * other + b[i] * own);
                }
            } else {
                for (x, to) in to.iter_mut().enumerate() {
                    let x = (x as i32 + shift.0).clamp(1, width as i32 - 2) as usize;
                    let (a, b, c) = (&row[x - 1], &row[x], &row[x + 1]);
                    *to = std::array::from_fn(|i| (a[i] + c[i]) * other + b[i] * own);
                }
            }
        }
        out.clear();
        out.reserve(width * height * 3);
        let mut dice = Dice::new(self.seed, "grain", frame.into());
        for y in 0..height {
            let row = |y: usize| &self.rows[y * width..(y + 1) * width];
            let (above, middle, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
            let glass = &self.glass[y * width..(y + 1) * width];
            let mut at = dice.below(GRAIN);
            for x in 0..width {
                let (through, haze) = glass[x];
                let mut bytes = [0; 3];
                for (i, byte) in bytes.iter_mut().enumerate() {
                    let light = (above[x][i] + below[x][i]) * other + middle[x][i] * own;
                    let light = (light * through + haze) * gain[i];
                    let tone = ((light * (TONES as f32 / 1.25)) as usize).min(TONES - 1);
                    // Shot noise grows with the root of light; after the tone curve it is about even.
                    let grain = f32::from(self.grain[at]) * (1.0 / 36.0);
                    at += 1;
                    if at == GRAIN {
                        at = 0;
                    }
                    let value =
                        f32::from(self.tones[tone]) + grain * (self.read + self.shot * light.min(1.0));
                    *byte = (value + 0.5).clamp(0.0, 255.0) as u8;
                }
                out.extend_from_slice(&bytes);
            }
        }
    }
}
