//! Bodies as triangles. Units: metres, in the body's own frame; z is up when it stands.

use glam::{Vec2, Vec3};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Vertex {
    pub(crate) position: Vec3,
    pub(crate) normal: Vec3,
    pub(crate) uv: Vec2,
}

/// Triangles, counter-clockwise seen from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mesh {
    pub(crate) vertices: Vec<Vertex>,
    pub(crate) triangles: Vec<[u16; 3]>,
}

/// Full turn.
pub(crate) const TURN: f32 = std::f32::consts::TAU;

impl Mesh {
    /// A flat patch of `n`×`m` cells from `corner` along `a` and `b`; its normal is a × b.
    pub(crate) fn patch(&mut self, corner: Vec3, a: Vec3, b: Vec3, [n, m]: [usize; 2], uv: [f32; 4]) {
        let normal = a.cross(b).normalize_or_zero();
        let first = self.vertices.len();
        for j in 0..=m {
            for i in 0..=n {
                let (s, t) = (i as f32 / n as f32, j as f32 / m as f32);
                self.vertices.push(Vertex {
                    position: corner + a * s + b * t,
                    normal,
                    uv: Vec2::new(uv[0] + (uv[2] - uv[0]) * s, uv[1] + (uv[3] - uv[1]) * t),
                });
            }
        }
        self.lattice(first, n, m);
    }

    /// Joins a lattice of (n+1)×(m+1) vertices, rows of n+1 first to last.
    fn lattice(&mut self, first: usize, n: usize, m: usize) {
        for j in 0..m {
            for i in 0..n {
                let at = |i: usize, j: usize| (first + j * (n + 1) + i) as u16;
                self.triangles.push([at(i, j), at(i + 1, j), at(i + 1, j + 1)]);
                self.triangles.push([at(i, j), at(i + 1, j + 1), at(i, j + 1)]);
            }
        }
    }

    /// A box standing on z = 0, centred in x and y. The texture is an atlas of six equal columns: front (+x), right
    /// (+y), back, left, top, bottom.
    pub(crate) fn cuboid(size: Vec3, cells: usize) -> Self {
        let mut mesh = Self::default();
        let (x, y, z) = (size.x * 0.5, size.y * 0.5, size.z);
        let column = |i: usize| [i as f32 / 6.0 + 0.001, 1.0, (i + 1) as f32 / 6.0 - 0.001, 0.0];
        let grid = [cells, cells];
        mesh.patch(Vec3::new(x, -y, 0.0), Vec3::Y * size.y, Vec3::Z * z, grid, column(0));
        mesh.patch(Vec3::new(x, y, 0.0), -Vec3::X * size.x, Vec3::Z * z, grid, column(1));
        mesh.patch(Vec3::new(-x, y, 0.0), -Vec3::Y * size.y, Vec3::Z * z, grid, column(2));
        mesh.patch(Vec3::new(-x, -y, 0.0), Vec3::X * size.x, Vec3::Z * z, grid, column(3));
        mesh.patch(Vec3::new(-x, -y, z), Vec3::X * size.x, Vec3::Y * size.y, grid, column(4));
        mesh.patch(Vec3::new(-x, y, 0.0), Vec3::X * size.x, -Vec3::Y * size.y, grid, column(5));
        mesh
    }

    /// A body of revolution about z: `profile` is (radius, height) from the bottom up. The texture goes once round;
    /// its v follows the profile's length from 1 (bottom) to 0.
    pub(crate) fn lathe(profile: &[Vec2], sides: usize) -> Self {
        let mut mesh = Self::default();
        let mut lengths = vec![0.0];
        for pair in profile.windows(2) {
            lengths.push(lengths[lengths.len() - 1] + pair[0].distance(pair[1]));
        }
        let whole = lengths[lengths.len() - 1].max(1e-6);
        for (j, p) in profile.iter().enumerate() {
            let before = profile[j.saturating_sub(1)];
            let after = profile[(j + 1).min(profile.len() - 1)];
            // Perpendicular to the profile: outwards where it goes up.
            let slope = (after - before).normalize_or_zero();
            for i in 0..=sides {
                let angle = TURN * i as f32 / sides as f32;
                let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
                mesh.vertices.push(Vertex {
                    position: Vec3::new(p.x * cos, p.x * sin, p.y),
                    normal: Vec3::new(slope.y * cos, slope.y * sin, -slope.x).normalize_or_zero(),
                    uv: Vec2::new(i as f32 / sides as f32, 1.0 - lengths[j] / whole),
                });
            }
        }
        mesh.lattice(0, sides, profile.len() - 1);
        mesh
    }

    /// An ellipsoid standing on z = 0; the texture is laid on flat from the front (+x) and, mirrored, from behind.
    pub(crate) fn ellipsoid(size: Vec3, sides: usize) -> Self {
        let rings = sides / 2;
        let mut mesh = Self::default();
        let half = size * 0.5;
        for j in 0..=rings {
            let tilt = TURN * 0.5 * j as f32 / rings as f32;
            let (up, out) = (-libm::cosf(tilt), libm::sinf(tilt));
            for i in 0..=sides {
                let angle = TURN * i as f32 / sides as f32;
                let unit = Vec3::new(out * libm::cosf(angle), out * libm::sinf(angle), up);
                mesh.vertices.push(Vertex {
                    position: unit * half + Vec3::Z * half.z,
                    normal: (unit / half.max(Vec3::splat(1e-4))).normalize_or_zero(),
                    uv: Vec2::new(0.5 + unit.y * 0.48, 0.5 - unit.z * 0.48),
                });
            }
        }
        mesh.lattice(0, sides, rings);
        mesh
    }

    /// A pillow lying on its back: `size` is thickness (x), width (y), height (z); standing on z = 0, seams all round.
    pub(crate) fn pouch(size: Vec3, cells: usize) -> Self {
        let mut mesh = Self::default();
        let bulge = |s: f32, t: f32| {
            let edge = |v: f32| (1.0 - (2.0 * v - 1.0) * (2.0 * v - 1.0)).max(0.0);
            libm::sqrtf(edge(s)) * libm::powf(edge(t), 0.4)
        };
        for (side, column) in [(1.0_f32, 0.0_f32), (-1.0, 0.5)] {
            let first = mesh.vertices.len();
            let point = |s: f32, t: f32| {
                let x = side * size.x * 0.5 * bulge(s, t);
                // Filled, it is narrower in the middle of its sides.
                let pinch = 1.0 - 0.06 * (1.0 - (2.0 * t - 1.0) * (2.0 * t - 1.0));
                Vec3::new(x, side * size.y * (s - 0.5) * pinch, size.z * t)
            };
            for j in 0..=cells {
                for i in 0..=cells {
                    let (s, t) = (i as f32 / cells as f32, j as f32 / cells as f32);
                    let d = 0.02;
                    let along = point((s + d).min(1.0), t) - point((s - d).max(0.0), t);
                    let up = point(s, (t + d).min(1.0)) - point(s, (t - d).max(0.0));
                    mesh.vertices.push(Vertex {
                        position: point(s, t),
                        normal: along.cross(up).normalize_or_zero(),
                        uv: Vec2::new(column + 0.5 * s, 1.0 - t),
                    });
                }
            }
            mesh.lattice(first, cells, cells);
        }
        mesh
    }

    /// Adds a tube of changing radius along `spine` (points and radii), its ends rounded off. The texture goes once
    /// round, v along the spine.
    pub(crate) fn tube(&mut self, spine: &[(Vec3, f32)], sides: usize) {
        if spine.len() < 2 {
            return;
        }
        let first = self.vertices.len();
        let ends = |from: (Vec3, f32), to: (Vec3, f32)| {
            let out = (from.0 - to.0).normalize_or_zero();
            [(0.98, 0.25), (0.75, 0.66), (0.35, 0.94)]
                .map(|(far, wide)| (from.0 + out * from.1 * far, from.1 * wide))
        };
        let mut rings: Vec<(Vec3, f32)> = Vec::with_capacity(spine.len() + 6);
        rings.extend(ends(spine[0], spine[1]));
        rings.extend_from_slice(spine);
        let mut last = ends(spine[spine.len() - 1], spine[spine.len() - 2]);
        last.reverse();
        rings.extend(last);
        // A frame that turns as little as it must from ring to ring.
        let mut side = Vec3::ZERO;
        let n = rings.len();
        for (j, &(at, radius)) in rings.iter().enumerate() {
            let along = (rings[(j + 1).min(n - 1)].0 - rings[j.saturating_sub(1)].0).normalize_or_zero();
            let flat = side - along * side.dot(along);
            side =
                if flat.length_squared() > 1e-6 { flat.normalize() } else { along.any_orthonormal_vector() };
            let other = along.cross(side);
            let grow = (rings[(j + 1).min(n - 1)].1 - rings[j.saturating_sub(1)].1)
                / (rings[(j + 1).min(n - 1)].0 - rings[j.saturating_sub(1)].0).length().max(1e-5);
            for i in 0..=sides {
                let angle = TURN * i as f32 / sides as f32;
                let out = side * libm::cosf(angle) + other * libm::sinf(angle);
                self.vertices.push(Vertex {
                    position: at + out * radius,
                    normal: (out - along * grow).normalize_or_zero(),
                    uv: Vec2::new(i as f32 / sides as f32, j as f32 / (n - 1) as f32),
                });
            }
        }
        self.lattice(first, sides, n - 1);
    }
}
