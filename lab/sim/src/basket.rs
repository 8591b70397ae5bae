//! The cart itself: basket, rim, handle; and where its cameras are.

use glam::{Vec2, Vec3};

use crate::camera::Camera;
use crate::dice::Dice;
use crate::mesh::Mesh;
use crate::order::Order;
use crate::pile::{DEPTH, LENGTH, WIDTH};
use crate::texture::{Canvas, Rgb, Texture, noise};

/// The most cameras a dummy cart has.
pub const MAX_CAMERAS: usize = 4;

/// A part of the cart that never moves.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) mesh: Mesh,
    pub(crate) texture: Texture,
    pub(crate) gloss: u8,
    pub(crate) two_sided: bool,
}

const COLOURS: [Rgb; 6] =
    [[92, 96, 102], [40, 70, 128], [150, 34, 38], [44, 104, 62], [200, 200, 196], [30, 31, 34]];

/// The cart's parts.
pub(crate) fn parts(dice: &mut Dice) -> Vec<Part> {
    let colour = COLOURS[dice.below(COLOURS.len())];
    let seed = dice.bits();
    let worn = move |u: f32, v: f32, c: Vec3| {
        c * (0.82 + 0.26 * noise(seed, u * 12.0, v * 12.0, 12))
            + Vec3::splat(6.0 * noise(seed ^ 5, u * 60.0, v * 60.0, 60))
    };
    // Walls of plastic with windows, or of wire.
    let wire = dice.chance(0.35);
    let mut wall = Canvas::new(256, 128, colour);
    wall.tint(worn);
    let (columns, rows) = if wire { (18.0, 10.0) } else { (9.0, 4.0) };
    let bar = if wire { 0.12 } else { 0.30 };
    wall.pierce(move |u, v| {
        let (x, y) = (u * columns, v * rows);
        let inside = |t: f32| (bar..1.0 - bar).contains(&(t - t.floor()));
        // A solid strip below and above.
        inside(x) && inside(y) && (0.06..0.94).contains(&v)
    });
    let mut floor = Canvas::new(256, 256, colour);
    floor.tint(move |u, v, c| {
        let ridge = if wire { ((u * 24.0) as i32 % 2) as f32 } else { ((v * 16.0) as i32 % 2) as f32 };
        worn(u, v, c) * (0.86 + 0.14 * ridge)
    });
    let (wall, floor) = (Texture::new(wall), Texture::new(floor));
    let (x, y) = (LENGTH * 0.5, WIDTH * 0.5);
    let (long, wide, high) = (Vec3::X * LENGTH, Vec3::Y * WIDTH, Vec3::Z * DEPTH);
    let low = |x: f32, y: f32| Vec3::new(x, y, -DEPTH);
    let mut walls = Mesh::default();
    let uv = [0.0, 1.0, 1.0, 0.0];
    // Facing inwards.
    walls.patch(low(-x, y), long, high, [10, 6], uv);
    walls.patch(low(x, -y), -long, high, [10, 6], uv);
    walls.patch(low(x, y), -wide, high, [8, 6], uv);
    walls.patch(low(-x, -y), wide, high, [8, 6], uv);
    let mut ground = Mesh::default();
    ground.patch(low(-x, -y), long, wide, [12, 10], [0.0, 0.0, 1.0, 1.0]);
    let mut rim = Mesh::default();
    let corners = [(-x, -y), (x, -y), (x, y), (-x, y)].map(|(x, y)| Vec3::new(x, y, 0.004));
    for i in 0..4 {
        let (a, b) = (corners[i], corners[(i + 1) % 4]);
        let spine: Vec<_> = (0..=6).map(|k| (a.lerp(b, k as f32 / 6.0), 0.011)).collect();
        rim.tube(&spine, 8);
    }
    let mut handle = Mesh::default();
    let bar: Vec<_> = (0..=4).map(|k| (Vec3::new(-0.50, -y + WIDTH * k as f32 / 4.0, 0.10), 0.016)).collect();
    handle.tube(&bar, 8);
    for side in [-y, y] {
        handle.tube(&[(Vec3::new(-x, side, 0.0), 0.012), (Vec3::new(-0.50, side, 0.10), 0.012)], 8);
    }
    let dark = Texture::plain(crate::paint::mix(colour, [20, 20, 22], 0.45));
    vec![
        Part { mesh: ground, texture: floor, gloss: 25, two_sided: true },
        Part { mesh: walls, texture: wall, gloss: 30, two_sided: true },
        Part { mesh: rim, texture: dark.clone(), gloss: 45, two_sided: false },
        Part { mesh: handle, texture: dark, gloss: 60, two_sided: false },
    ]
}

/// The mountings: name, position, target (metres), horizontal angle of view (degrees). The first two look across the
/// basket from its long sides, the third from the front, the fourth down from a mast at the handle.
const MOUNTS: [(&str, [f32; 3], [f32; 3], f32); MAX_CAMERAS] = [
    ("rim-left", [-0.08, 0.22, 0.27], [0.01, -0.03, -0.16], 84.0),
    ("rim-right", [0.08, -0.22, 0.27], [-0.01, 0.03, -0.16], 84.0),
    ("rim-front", [0.33, 0.02, 0.29], [-0.02, 0.0, -0.15], 72.0),
    ("mast", [-0.35, 0.0, 0.48], [0.03, 0.0, -0.16], 60.0),
];

/// The cameras of a session: as mounted by hand, never quite where the drawing says.
pub(crate) fn cameras(order: &Order) -> Vec<Camera> {
    MOUNTS
        .iter()
        .take(order.cameras)
        .enumerate()
        .map(|(n, (name, position, target, angle))| {
            let mut dice = Dice::new(order.seed, "mount", n as u64);
            let loose = order.difficulty.of(0.4, 1.0, 1.6);
            let position = Vec3::from(*position) + dice.vec3(0.010 * loose);
            let target = Vec3::from(*target) + dice.vec3(0.018 * loose);
            let angle = (angle + dice.normal() * 1.5).to_radians();
            let distortion = [-0.11 + 0.015 * dice.normal(), 0.012];
            let roll = dice.normal() * 0.02 * loose;
            let size = [order.width, order.height];
            Camera::looking(name, size, angle, distortion, position, target, roll)
        })
        .collect()
}

/// Corners that a zone has at most.
const CORNERS: usize = 16;

/// The basket region in a camera's picture: what its inside, up to the rim, covers. In shares of the picture.
pub(crate) fn zone(camera: &Camera) -> Vec<Vec2> {
    let (x, y) = (LENGTH * 0.5, WIDTH * 0.5);
    let corner = |i: usize| {
        let sign = |bit: usize| if i & bit == 0 { -1.0 } else { 1.0 };
        Vec3::new(x * sign(1), y * sign(2), if i & 4 == 0 { -DEPTH } else { 0.0 })
    };
    let mut points = Vec::new();
    for a in 0..8_usize {
        for bit in [1, 2, 4] {
            if a & bit == 0 {
                points.extend(
                    (0..=20).filter_map(|k| camera.project(corner(a).lerp(corner(a | bit), k as f32 / 20.0))),
                );
            }
        }
    }
    let size = Vec2::new(camera.width as f32, camera.height as f32);
    let mut polygon = hull(points.iter().map(|p| *p / size).collect());
    for edge in 0..4 {
        polygon = clipped(&polygon, edge);
    }
    polygon.dedup_by(|a, b| a.distance(*b) < 1e-4);
    while polygon.len() > CORNERS {
        let n = polygon.len();
        let area = |i: usize| {
            let (a, b, c) = (polygon[(i + n - 1) % n], polygon[i], polygon[(i + 1) % n]);
            (b - a).perp_dot(c - a).abs()
        };
        let least = (0..n).min_by(|i, j| area(*i).total_cmp(&area(*j))).unwrap_or(0);
        polygon.remove(least);
    }
    polygon
}

/// Convex hull, Andrew's monotone chain.
fn hull(mut points: Vec<Vec2>) -> Vec<Vec2> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let half = |points: &mut dyn Iterator<Item = Vec2>| {
        let mut chain: Vec<Vec2> = Vec::new();
        for p in points {
            while let [.., a, b] = chain[..]
                && (b - a).perp_dot(p - a) <= 0.0
            {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut lower = half(&mut points.iter().copied());
    lower.extend(half(&mut points.iter().rev().copied()));
    lower
}

/// The part of a polygon on the picture's side of one of its edges.
fn clipped(polygon: &[Vec2], edge: usize) -> Vec<Vec2> {
    let inside = |p: Vec2| match edge {
        0 => p.x,
        1 => 1.0 - p.x,
        2 => p.y,
        _ => 1.0 - p.y,
    };
    let mut out = Vec::new();
    for i in 0..polygon.len() {
        let (a, b) = (polygon[i], polygon[(i + 1) % polygon.len()]);
        let (da, db) = (inside(a), inside(b));
        if da >= 0.0 {
            out.push(a);
        }
        if (da >= 0.0) != (db >= 0.0) {
            out.push(a + (b - a) * (da / (da - db)));
        }
    }
    out.iter().map(|p| p.clamp(Vec2::ZERO, Vec2::ONE)).collect()
}
