//! Bodies and cloth of the people around a cart.

use glam::Vec2;

use crate::mesh::Mesh;
use crate::texture::{Canvas, Rgb, Texture, noise};

/// Somebody's body, standing there.
pub(crate) fn torso(stand: Vec2) -> Mesh {
    let mut mesh = Mesh::default();
    let at = |z: f32| stand.extend(z);
    mesh.tube(&[(at(-0.75), 0.10), (at(-0.1), 0.165), (at(0.35), 0.185), (at(0.52), 0.08)], 12);
    mesh
}

/// Bare skin, or a glove.
pub(crate) fn skin(colour: Rgb, seed: u32) -> Texture {
    let mut canvas = Canvas::new(64, 64, colour);
    canvas.tint(|u, v, c| c * (0.9 + 0.2 * noise(seed, u * 12.0, v * 12.0, 12)));
    Texture::new(canvas)
}

/// A sleeve or a shirt.
pub(crate) fn cloth(colour: Rgb, seed: u32) -> Texture {
    let mut canvas = Canvas::new(64, 64, colour);
    canvas.tint(|u, v, c| {
        let fold = noise(seed, u * 4.0, v * 6.0, 12);
        let weave = noise(seed ^ 3, u * 32.0, v * 32.0, 32);
        c * (0.72 + 0.36 * fold + 0.12 * weave)
    });
    Texture::new(canvas)
}
