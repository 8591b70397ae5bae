//! Things that are not in the catalogue: what shoppers carry and lay into carts.

use glam::Vec3;

use crate::form::{Form, Layout, Shape, form};
use crate::mesh::Mesh;
use crate::pile::Block;
use crate::texture::{Canvas, Rgb, Texture, noise};

/// A kind of such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    Phone,
    Bag,
    Wallet,
    Umbrella,
}

/// Every kind.
pub(crate) const ALL: [Stranger; 4] = [Stranger::Phone, Stranger::Bag, Stranger::Wallet, Stranger::Umbrella];

impl Stranger {
    pub(crate) fn block(self) -> Block {
        let (shape, size) = match self {
            Self::Phone => (Shape::Box, Vec3::new(0.010, 0.074, 0.155)),
            Self::Bag => (Shape::Pouch, Vec3::new(0.10, 0.21, 0.19)),
            Self::Wallet => (Shape::Box, Vec3::new(0.020, 0.095, 0.115)),
            Self::Umbrella => (Shape::Box, Vec3::new(0.050, 0.050, 0.25)),
        };
        Block { shape, size }
    }

    pub(crate) fn form(self) -> Form {
        let Block { shape, size } = self.block();
        match self {
            // A folded umbrella is round, whatever it rests like.
            Self::Umbrella => {
                let r = size.x * 0.5;
                let profile =
                    [(0.0, 0.0), (0.5, 0.0), (0.55, 0.2), (0.9, 0.28), (1.0, 0.8), (0.6, 0.97), (0.0, 1.0)];
                let points = profile.map(|(x, y)| glam::Vec2::new(x * r, y * size.z));
                Form { mesh: Mesh::lathe(&points, 14), layout: Layout::Round { label: [0.2, 0.8], lid: 0.1 } }
            }
            _ => form(shape, size),
        }
    }

    pub(crate) fn texture(self, variant: u32) -> Texture {
        let cloth: [Rgb; 5] = [[42, 44, 52], [96, 62, 40], [122, 30, 40], [38, 66, 104], [70, 92, 66]];
        let colour = cloth[variant as usize % cloth.len()];
        let mut canvas = match self {
            Self::Phone => {
                let mut canvas = Canvas::new(6 * 32, 64, [24, 24, 28]);
                // A screen in front, a lens behind.
                canvas.rectangle([40, 54, 78], [0.008, 0.04, 1.0 / 6.0 - 0.008, 0.96]);
                canvas.rectangle(colour, [2.0 / 6.0, 0.0, 3.0 / 6.0, 1.0]);
                canvas.rectangle([14, 14, 16], [2.0 / 6.0 + 0.012, 0.05, 2.0 / 6.0 + 0.06, 0.24]);
                canvas
            }
            _ => Canvas::new(96, 64, colour),
        };
        canvas.tint(|u, v, c| c * (0.85 + 0.3 * noise(variant, u * 16.0, v * 16.0, 16)));
        if self == Self::Bag {
            canvas.rectangle([200, 180, 120], [0.2, 0.12, 0.3, 0.16]);
        }
        Texture::new(canvas)
    }

    pub(crate) fn gloss(self) -> u8 {
        if self == Self::Phone { 110 } else { 15 }
    }
}
