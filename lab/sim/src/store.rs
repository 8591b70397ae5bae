//! What is behind the cart: a floor, shelves on both sides, a ceiling. They move when the cart rolls.

use glam::{Vec2, Vec3};

use crate::camera::Camera;
use crate::dice::Dice;
use crate::texture::{Canvas, Texture, hsv, noise};

/// The floor below the rim, the shelves beside the middle, the ceiling, metres.
const FLOOR: f32 = -0.95;
const CEILING: f32 = 1.9;
/// Metres that one repetition of floor and shelf texture covers.
const FLOOR_TILE: f32 = 1.6;
const SHELF: (f32, f32) = (3.2, 2.1);

/// The store's surfaces.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    floor: Texture,
    shelves: Texture,
    ceiling: Texture,
    /// From the middle of the aisle to the shelves, metres.
    half_width: f32,
}

#[derive(Clone, Copy, Debug)]
enum Plane {
    Floor,
    Shelf,
    Ceiling,
}

/// Where one pixel looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    plane: Plane,
    u: f32,
    v: f32,
    /// What a metre along the aisle adds to `u`.
    per_metre: f32,
    level: u8,
    shade: f32,
}

impl Store {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let seed = dice.bits();
        let mut floor = Canvas::new(256, 256, [196, 192, 184]);
        let warm = dice.between(-14.0, 14.0);
        floor.tint(|u, v, c| {
            let grain =
                noise(seed, u * 20.0, v * 20.0, 20) * 16.0 + noise(seed ^ 1, u * 64.0, v * 64.0, 64) * 10.0;
            c + Vec3::new(warm, 0.0, -warm) + Vec3::splat(grain - 13.0)
        });
        for i in 0..4 {
            let line = i as f32 * 0.25;
            floor.rectangle([150, 146, 140], [line, 0.0, line + 0.008, 1.0]);
            floor.rectangle([150, 146, 140], [0.0, line, 1.0, line + 0.008]);
        }
        let mut shelves = Canvas::new(1024, 512, [70, 68, 66]);
        let rows = 5;
        for row in 0..rows {
            let bottom = 1.0 - row as f32 / rows as f32;
            let top = bottom - 1.0 / rows as f32;
            let mut x = 0.0;
            while x < 1.0 {
                // A few facings of one product side by side.
                let width = dice.between(0.016, 0.045);
                let height = (1.0 / rows as f32) * dice.between(0.5, 0.85);
                let colour = hsv(dice.share(), dice.between(0.1, 0.7), dice.between(0.35, 1.0));
                let band = hsv(dice.share(), dice.between(0.1, 0.9), dice.between(0.3, 1.0));
                for _ in 0..1 + dice.below(4) {
                    let foot = bottom - 0.03;
                    let at = foot - height;
                    shelves.rectangle(colour, [x, at, (x + width).min(1.0), foot]);
                    let y = at + height * 0.35;
                    shelves.rectangle(band, [x, y, (x + width * 0.92).min(1.0), y + height * 0.25]);
                    x += width * 1.06;
                }
            }
            shelves.rectangle([226, 224, 220], [0.0, bottom - 0.03, 1.0, bottom - 0.004]);
            for tag in 0..24 {
                let at = tag as f32 / 24.0 + dice.between(0.0, 0.02);
                shelves.rectangle([250, 240, 90], [at, bottom - 0.026, at + 0.014, bottom - 0.008]);
            }
            shelves.rectangle([40, 38, 38], [0.0, top, 1.0, top + 0.01]);
        }
        let mut ceiling = Canvas::new(64, 64, [150, 150, 148]);
        ceiling.rectangle([255, 255, 255], [0.0, 0.4, 0.8, 0.52]);
        let [floor, shelves, ceiling] = [floor, shelves, ceiling].map(Texture::new);
        Self { floor, shelves, ceiling, half_width: dice.between(0.95, 1.4) }
    }

    /// Where each pixel of a camera looks, row by row.
    pub(crate) fn looks(&self, camera: &Camera, rays: &[Vec3]) -> Vec<Look> {
        rays.iter().map(|ray| self.look(camera, *ray)).collect()
    }

    fn look(&self, camera: &Camera, ray: Vec3) -> Look {
        let from = camera.position;
        let hit = |distance: f32| if distance > 1e-3 { distance } else { f32::MAX };
        let floor = hit((FLOOR - from.z) / ray.z);
        let ceiling = hit((CEILING - from.z) / ray.z);
        let left = hit((self.half_width - from.y) / ray.y);
        let right = hit((-self.half_width - from.y) / ray.y);
        let wall = left.min(right);
        let nearest = floor.min(ceiling).min(wall).min(40.0);
        let at = from + ray * nearest;
        let (plane, uv, per_metre, texels) = if nearest == floor {
            (Plane::Floor, Vec2::new(at.x, at.y) / FLOOR_TILE, 1.0 / FLOOR_TILE, 256.0 / FLOOR_TILE)
        } else if nearest == ceiling {
            (Plane::Ceiling, Vec2::new(at.x, at.y) / 2.0, 0.5, 32.0)
        } else {
            let uv = Vec2::new(at.x / SHELF.0, 1.0 - (at.z - FLOOR) / SHELF.1);
            (Plane::Shelf, uv, 1.0 / SHELF.0, 1024.0 / SHELF.0)
        };
        let texture = match plane {
            Plane::Floor => &self.floor,
            Plane::Shelf => &self.shelves,
            Plane::Ceiling => &self.ceiling,
        };
        // One pixel's step out there, seen aslant.
        let step = nearest * ray.length() / camera.focal * texels;
        let level = texture.level(step * step * 2.0) as u8;
        // Dimmer below the cart and towards the lowest shelf.
        let low = ((at.z - FLOOR) / 0.8).clamp(0.0, 1.0);
        let shade = (0.55 + 0.45 * low) / (1.0 + 0.05 * nearest);
        Look { plane, u: uv.x, v: uv.y, per_metre, level, shade }
    }

    /// The colour there when the cart has rolled so far, sRGB, and how light it is.
    #[inline]
    pub(crate) fn colour(&self, look: &Look, rolled: f32) -> ([u8; 3], f32) {
        let texture = match look.plane {
            Plane::Floor => &self.floor,
            Plane::Shelf => &self.shelves,
            Plane::Ceiling => &self.ceiling,
        };
        let [r, g, b, _] = texture.sample(usize::from(look.level), look.u + rolled * look.per_metre, look.v);
        ([r, g, b], look.shade)
    }
}
