//! The store's light, and what a lit surface sends to the camera.

use glam::Vec3;

use crate::dice::Dice;
use crate::film::Linear;
use crate::order::Order;
use crate::pile::{DEPTH, LENGTH, WIDTH};
use crate::raster::{Light, Pixel};

/// The light in the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lamp {
    /// Where the key light comes from.
    pub(crate) towards: Vec3,
    pub(crate) key: Linear,
    pub(crate) ambient: Linear,
}

impl Light for Lamp {
    #[inline]
    fn on(&self, position: Vec3, normal: Vec3) -> (f32, f32) {
        let key = normal.dot(self.towards).max(0.0);
        let mut ambient = 0.62 + 0.38 * normal.z;
        // The deeper in the basket, the less light comes in from the sides; more so at its walls.
        if position.z < 0.0 && position.x.abs() < LENGTH * 0.52 && position.y.abs() < WIDTH * 0.52 {
            let deep = (-position.z / DEPTH).min(1.0);
            let wall = (position.x.abs() / (LENGTH * 0.5)).max(position.y.abs() / (WIDTH * 0.5));
            ambient *= 1.0 - deep * (0.30 + 0.18 * wall * wall);
        }
        (ambient.clamp(0.0, 1.0), key.min(1.0))
    }
}

/// The light that a pixel sends to the camera.
#[inline]
pub(crate) fn lit(
    decode: &[f32; 256],
    pixel: &Pixel,
    reaches: f32,
    key: &Linear,
    ambient: &Linear,
) -> Linear {
    let k = f32::from(pixel.key) * (1.0 / 255.0) * reaches;
    let a = f32::from(pixel.ambient) * (1.0 / 255.0);
    // A broad highlight where the key light falls fully.
    let shine = f32::from(pixel.gloss) * (1.0 / 255.0) * k * k * k * k * 0.35;
    std::array::from_fn(|c| {
        decode[usize::from(pixel.albedo[c])] * (key[c] * k + ambient[c] * a) + shine * key[c]
    })
}

/// The store's light: long lamps overhead, a little from one side.
pub(crate) fn lamp(order: &Order) -> Lamp {
    let mut dice = Dice::new(order.seed, "lamp", 0);
    let towards = Vec3::new(dice.normal() * 0.22, dice.normal() * 0.22, 1.0).normalize();
    let warm = dice.between(-0.06, 0.10);
    let tint = [1.0 + warm, 1.0, 1.0 - warm];
    let level = dice.between(order.difficulty.of(0.9, 0.7, 0.35), order.difficulty.of(1.1, 1.15, 0.9));
    let direct = dice.between(0.45, 0.75);
    Lamp {
        towards,
        key: tint.map(|c| c * level * direct),
        ambient: tint.map(|c| c * level * (1.05 - direct)),
    }
}

/// The light's name, for break-downs: how bright and how warm.
pub(crate) fn light_name(order: &Order) -> String {
    let lamp = lamp(order);
    let level = lamp.key[1] + lamp.ambient[1];
    let brightness = if level < 0.75 {
        "dim"
    } else if level < 1.0 {
        "even"
    } else {
        "bright"
    };
    let warmth = if lamp.key[0] > lamp.key[2] * 1.06 { "warm" } else { "cool" };
    format!("{brightness}-{warmth}")
}
