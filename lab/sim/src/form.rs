//! The shapes of products: a body for each, and where on it a label goes.

use glam::{Vec2, Vec3};

use crate::mesh::Mesh;

/// What a product is shaped like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A folding box or a carton.
    Box,
    /// A bottle with a neck and a cap.
    Bottle,
    /// A drinks or food can.
    Can,
    /// A pillow bag.
    Pouch,
    /// A glass jar with a lid.
    Jar,
    /// A fruit or a vegetable: an ellipsoid.
    Produce,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 6] = [Self::Box, Self::Bottle, Self::Can, Self::Pouch, Self::Jar, Self::Produce];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Box => "box",
            Self::Bottle => "bottle",
            Self::Can => "can",
            Self::Pouch => "pouch",
            Self::Jar => "jar",
            Self::Produce => "produce",
        }
    }

    /// The shape of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Whether it rolls when it lies on its side.
    pub(crate) const fn rolls(self) -> bool {
        matches!(self, Self::Bottle | Self::Can | Self::Jar | Self::Produce)
    }

    /// Whether it can stand at all.
    pub(crate) const fn stands(self) -> bool {
        !matches!(self, Self::Pouch)
    }
}

/// A body and how its texture lies on it.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) mesh: Mesh,
    pub(crate) layout: Layout,
}

/// How a texture is divided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    /// Six columns: front, right, back, left, top, bottom.
    Atlas,
    /// Once round; the label between these heights of the texture, the lid above the last one (0 is the top).
    Round { label: [f32; 2], lid: f32 },
    /// Front and back, side by side.
    Pillow,
    /// Laid on flat from the front.
    Skin,
}

/// The body of a product of this shape; `size` is depth, width and height, metres.
pub(crate) fn form(shape: Shape, size: Vec3) -> Form {
    match shape {
        Shape::Box => Form { mesh: Mesh::cuboid(size, 3), layout: Layout::Atlas },
        Shape::Pouch => Form { mesh: Mesh::pouch(size, 10), layout: Layout::Pillow },
        Shape::Produce => Form { mesh: Mesh::ellipsoid(size, 20), layout: Layout::Skin },
        Shape::Bottle => round(
            size,
            &[
                (0.0, 0.0),
                (0.90, 0.0),
                (1.0, 0.03),
                (1.0, 0.22),
                (1.0, 0.58),
                (0.88, 0.68),
                (0.50, 0.80),
                (0.34, 0.87),
                (0.34, 0.90),
                (0.40, 0.905),
                (0.40, 0.99),
                (0.34, 1.0),
                (0.0, 1.0),
            ],
            [3, 5],
            8,
        ),
        Shape::Can => round(
            size,
            &[
                (0.0, 0.01),
                (0.85, 0.0),
                (1.0, 0.04),
                (1.0, 0.5),
                (1.0, 0.95),
                (0.90, 1.0),
                (0.86, 0.985),
                (0.0, 0.98),
            ],
            [2, 4],
            5,
        ),
        Shape::Jar => round(
            size,
            &[
                (0.0, 0.0),
                (0.92, 0.0),
                (1.0, 0.05),
                (1.0, 0.15),
                (1.0, 0.65),
                (0.98, 0.74),
                (0.86, 0.80),
                (0.92, 0.81),
                (0.92, 0.99),
                (0.88, 1.0),
                (0.0, 1.0),
            ],
            [3, 5],
            6,
        ),
    }
}

/// A body of revolution from a profile in shares of radius and height; label and lid by their points of it.
fn round(size: Vec3, profile: &[(f32, f32)], label: [usize; 2], lid: usize) -> Form {
    let radius = size.x.min(size.y) * 0.5;
    let points: Vec<Vec2> = profile.iter().map(|(r, h)| Vec2::new(r * radius, h * size.z)).collect();
    let mut lengths = vec![0.0];
    for pair in points.windows(2) {
        lengths.push(lengths[lengths.len() - 1] + pair[0].distance(pair[1]));
    }
    let whole = lengths[lengths.len() - 1];
    let v = |i: usize| 1.0 - lengths[i] / whole;
    Form {
        mesh: Mesh::lathe(&points, 18),
        layout: Layout::Round { label: [v(label[1]), v(label[0])], lid: v(lid) },
    }
}
