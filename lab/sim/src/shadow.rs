//! Shadows: the highest thing over each place, looked at along the light.

use glam::{Vec2, Vec3};

use crate::mesh::Mesh;
use crate::raster::Placement;

/// Metres a cell.
const CELL: f32 = 0.01;
const WIDTH: usize = 160;
const HEIGHT: usize = 130;
/// How far above a surface something must be to shade it, metres.
const GAP: f32 = 0.012;

/// A map of what stands in the light.
#[derive(Clone, Debug)]
pub(crate) struct ShadowMap {
    /// Horizontal way of the light for each metre down.
    slant: Vec2,
    tops: Vec<f32>,
    /// How much of the neighbourhood is covered, 0 to 255; made by [`Self::soften`].
    cover: Vec<u8>,
    scratch: Vec<u16>,
    empty: bool,
}

const NOTHING: f32 = -1.0e3;

impl ShadowMap {
    /// `light` points to where the light comes from.
    pub(crate) fn new(light: Vec3) -> Self {
        let slant = Vec2::new(light.x, light.y) / light.z.max(0.2);
        let n = WIDTH * HEIGHT;
        Self { slant, tops: vec![NOTHING; n], cover: vec![0; n], scratch: vec![0; n], empty: true }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    pub(crate) fn clear(&mut self) {
        if !self.empty {
            self.tops.fill(NOTHING);
            self.cover.fill(0);
            self.empty = true;
        }
    }

    /// Cells, along the light down to the height of the opening.
    #[inline]
    fn cell(&self, p: Vec3) -> Vec2 {
        let flat = Vec2::new(p.x, p.y) - self.slant * p.z;
        flat / CELL + Vec2::new(WIDTH as f32, HEIGHT as f32) * 0.5
    }

    pub(crate) fn cast(&mut self, mesh: &Mesh, placement: &Placement) {
        self.empty = false;
        let at = |i: u16| placement.apply(mesh.vertices[usize::from(i)].position);
        for triangle in &mesh.triangles {
            let three = triangle.map(at);
            let cells = three.map(|p| self.cell(p));
            let top = three.iter().fold(NOTHING, |top, p| top.max(p.z));
            let low = cells[0].min(cells[1]).min(cells[2]);
            let high = cells[0].max(cells[1]).max(cells[2]);
            let bound = |v: f32, n: usize| v.clamp(0.0, n as f32) as usize;
            let area = (cells[1] - cells[0]).perp_dot(cells[2] - cells[0]);
            for y in bound(low.y, HEIGHT)..bound(high.y + 1.0, HEIGHT) {
                for x in bound(low.x, WIDTH)..bound(high.x + 1.0, WIDTH) {
                    let p = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
                    let edge = |a: Vec2, b: Vec2| (b - a).perp_dot(p - a) * area >= 0.0;
                    if edge(cells[0], cells[1]) && edge(cells[1], cells[2]) && edge(cells[2], cells[0]) {
                        let place = &mut self.tops[y * WIDTH + x];
                        *place = place.max(top);
                    }
                }
            }
        }
    }

    /// Makes the soft edges: ceiling lights are long, so shadows have no hard ones.
    pub(crate) fn soften(&mut self) {
        const R: usize = 3;
        if self.empty {
            return;
        }
        // Box sums along rows, then along columns; tops spread as far as the soft edge does.
        for y in 0..HEIGHT {
            let row = y * WIDTH;
            for x in 0..WIDTH {
                let (from, to) = (x.saturating_sub(R), (x + R).min(WIDTH - 1));
                let covered = (from..=to).filter(|i| self.tops[row + i] > NOTHING).count();
                self.scratch[row + x] = covered as u16;
            }
        }
        for x in 0..WIDTH {
            for y in 0..HEIGHT {
                let (from, to) = (y.saturating_sub(R), (y + R).min(HEIGHT - 1));
                let sum: u16 = (from..=to).map(|j| self.scratch[j * WIDTH + x]).sum();
                self.cover[y * WIDTH + x] = (usize::from(sum) * 255 / ((2 * R + 1) * (2 * R + 1))) as u8;
            }
        }
        let tops = self.tops.clone();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                if self.cover[y * WIDTH + x] > 0 && tops[y * WIDTH + x] == NOTHING {
                    let mut top = NOTHING;
                    for j in y.saturating_sub(R)..=(y + R).min(HEIGHT - 1) {
                        for i in x.saturating_sub(R)..=(x + R).min(WIDTH - 1) {
                            top = top.max(tops[j * WIDTH + i]);
                        }
                    }
                    self.tops[y * WIDTH + x] = top;
                }
            }
        }
    }

    /// The share of key light that reaches a point: of a softened map, cheap.
    #[inline]
    pub(crate) fn light_on(&self, p: Vec3) -> f32 {
        if self.empty {
            return 1.0;
        }
        let cell = self.cell(p);
        if !(cell.x >= 0.0 && cell.y >= 0.0) {
            return 1.0;
        }
        let (x, y) = (cell.x as usize, cell.y as usize);
        if x >= WIDTH || y >= HEIGHT {
            return 1.0;
        }
        let i = y * WIDTH + x;
        if self.tops[i] <= p.z + GAP {
            return 1.0;
        }
        1.0 - f32::from(self.cover[i]) * (0.7 / 255.0)
    }

    /// The same of a map that was not softened: asks the neighbourhood. For what stands still.
    pub(crate) fn light_on_exact(&self, p: Vec3) -> f32 {
        let cell = self.cell(p);
        let (cx, cy) = (cell.x as i32, cell.y as i32);
        let mut lit = 0;
        let mut asked = 0;
        for dy in -2..=2 {
            for dx in -2..=2 {
                let (x, y) = (cx + dx, cy + dy);
                asked += 1;
                let inside = (0..WIDTH as i32).contains(&x) && (0..HEIGHT as i32).contains(&y);
                if !inside || self.tops[y as usize * WIDTH + x as usize] <= p.z + GAP {
                    lit += 1;
                }
            }
        }
        0.12 + 0.88 * lit as f32 / asked as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Mat3;

    #[test]
    fn a_thing_shades_what_is_below_it_and_nothing_else() {
        let mut map = ShadowMap::new(Vec3::new(0.0, 0.0, 1.0));
        assert_eq!(map.light_on(Vec3::ZERO), 1.0);
        let place = Placement { rotation: Mat3::IDENTITY, position: Vec3::new(0.0, 0.0, 0.2) };
        map.cast(&Mesh::cuboid(Vec3::splat(0.2), 1), &place);
        assert!(map.light_on_exact(Vec3::new(0.0, 0.0, -0.2)) < 0.2);
        map.soften();
        assert!(map.light_on(Vec3::new(0.0, 0.0, -0.2)) < 0.35);
        assert_eq!(map.light_on(Vec3::new(0.0, 0.0, 0.5)), 1.0, "above it");
        assert_eq!(map.light_on(Vec3::new(0.4, 0.4, -0.2)), 1.0, "beside it");
        let edge = map.light_on(Vec3::new(0.12, 0.0, -0.2));
        assert!(edge > 0.2 && edge < 1.0, "{edge}");
        map.clear();
        assert_eq!(map.light_on(Vec3::new(0.0, 0.0, -0.2)), 1.0);
    }
}
