//! A deterministic rasterizer on the CPU: triangles into a buffer of what each pixel shows. Basic arithmetic only, in
//! a fixed order, so that the same scene gives the same bits on every x86-64 machine.

use glam::{Mat3, Vec2, Vec3};

use crate::camera::{Camera, NEAR};
use crate::mesh::Mesh;
use crate::texture::Texture;

/// What one pixel shows: surface and light apart, so that light can change without drawing again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pixel {
    /// 1 / depth; 0 where nothing was drawn.
    pub(crate) nearness: f32,
    /// Surface colour, sRGB.
    pub(crate) albedo: [u8; 3],
    /// How much of the key light it mirrors.
    pub(crate) gloss: u8,
    /// Share of the light from all round.
    pub(crate) ambient: u8,
    /// Share of the key light.
    pub(crate) key: u8,
    /// Whose it is; 0: nobody's.
    pub(crate) owner: u16,
}

/// Where a body is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    pub(crate) rotation: Mat3,
    pub(crate) position: Vec3,
}

impl Placement {
    pub(crate) const HOME: Self = Self { rotation: Mat3::IDENTITY, position: Vec3::ZERO };

    #[inline]
    pub(crate) fn apply(&self, p: Vec3) -> Vec3 {
        self.rotation * p + self.position
    }
}

/// How a body's surface looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface<'a> {
    pub(crate) texture: &'a Texture,
    pub(crate) gloss: u8,
    pub(crate) owner: u16,
    /// Seen from inside as well.
    pub(crate) two_sided: bool,
}

/// Light on a point of a surface: shares of ambient and key light, 0 to 1.
pub(crate) trait Light {
    fn on(&self, position: Vec3, normal: Vec3) -> (f32, f32);
}

/// Pixels of a picture, or of the part of it that has been drawn on since it was cleared.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<Pixel>,
    /// What has been drawn on: columns, then rows, from and to.
    drawn: [usize; 4],
    /// Of the last body: the area of its sides that face us, where their middles are in the picture.
    inside: f32,
    /// Reused for every body.
    corners: Vec<Corner>,
}

/// A vertex on its way to the picture.
#[derive(Clone, Copy, Debug)]
struct Corner {
    /// Camera frame.
    at: Vec3,
    /// Pixels.
    seen: Vec2,
    uv: Vec2,
    ambient: f32,
    key: f32,
}

impl Corner {
    fn between(a: &Self, b: &Self, t: f32, camera: &Camera) -> Self {
        let at = a.at + (b.at - a.at) * t;
        Self {
            at,
            seen: camera.onto_picture(at),
            uv: a.uv + (b.uv - a.uv) * t,
            ambient: a.ambient + (b.ambient - a.ambient) * t,
            key: a.key + (b.key - a.key) * t,
        }
    }
}

impl Buffer {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![Pixel::default(); width * height],
            drawn: [width, 0, height, 0],
            inside: 0.0,
            corners: Vec::new(),
        }
    }

    /// How much larger the last body would be if the picture had no edge, 1 or more.
    pub(crate) fn beyond(&self, area: f32) -> f32 {
        if self.inside > 0.0 { (area / self.inside).max(1.0) } else { 1.0 }
    }

    /// Forgets what has been drawn.
    pub(crate) fn clear(&mut self) {
        let [x0, x1, y0, y1] = self.drawn;
        for y in y0..y1 {
            self.pixels[y * self.width + x0..y * self.width + x1].fill(Pixel::default());
        }
        self.drawn = [self.width, 0, self.height, 0];
    }

    /// The rows that have been drawn on, and the columns of each.
    pub(crate) fn drawn(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let [x0, x1, y0, y1] = self.drawn;
        (y0..y1.max(y0), x0..x1.max(x0))
    }

    /// Draws a body; gives the pixels that it would cover if nothing were in front of it and the picture had no
    /// edge.
    pub(crate) fn draw(
        &mut self,
        camera: &Camera,
        mesh: &Mesh,
        placement: &Placement,
        surface: Surface<'_>,
        light: &impl Light,
    ) -> f32 {
        let mut corners = std::mem::take(&mut self.corners);
        corners.clear();
        corners.extend(mesh.vertices.iter().map(|v| {
            let world = placement.apply(v.position);
            let (ambient, key) = light.on(world, placement.rotation * v.normal);
            let at = camera.to_camera(world);
            let seen = if at.z > NEAR { camera.onto_picture(at) } else { Vec2::ZERO };
            Corner { at, seen, uv: v.uv, ambient: ambient * 255.0, key: key * 255.0 }
        }));
        let mut area = 0.0;
        self.inside = 0.0;
        for [a, b, c] in &mesh.triangles {
            let three = [*a, *b, *c].map(|i| corners[usize::from(i)]);
            let behind = three.iter().filter(|c| c.at.z <= NEAR).count();
            if behind == 0 {
                area += self.triangle(&three, &surface);
            } else if behind < 3 {
                area += self.clipped(camera, &three, &surface);
            }
        }
        self.corners = corners;
        area
    }

    /// A triangle that reaches behind the camera: the part in front of it.
    fn clipped(&mut self, camera: &Camera, three: &[Corner; 3], surface: &Surface<'_>) -> f32 {
        let mut kept = [three[0]; 4];
        let mut n = 0;
        for i in 0..3 {
            let (a, b) = (&three[i], &three[(i + 1) % 3]);
            let (inside, next) = (a.at.z > NEAR, b.at.z > NEAR);
            if inside {
                kept[n] = *a;
                n += 1;
            }
            if inside != next {
                let t = (NEAR * 1.001 - a.at.z) / (b.at.z - a.at.z);
                kept[n] = Corner::between(a, b, t, camera);
                n += 1;
            }
        }
        let mut area = self.triangle(&[kept[0], kept[1], kept[2]], surface);
        if n == 4 {
            area += self.triangle(&[kept[0], kept[2], kept[3]], surface);
        }
        area
    }

    fn triangle(&mut self, three: &[Corner; 3], surface: &Surface<'_>) -> f32 {
        let [mut a, mut b, c] = *three;
        let mut twice = (b.seen - a.seen).perp_dot(c.seen - a.seen);
        // The picture's y points down, so what faces us has a negative area.
        if twice > 0.0 && !surface.two_sided {
            return 0.0;
        }
        if twice < 0.0 {
            (a, b, twice) = (b, a, -twice);
        }
        if twice.is_nan() || twice <= 1e-6 {
            return 0.0;
        }
        let area = twice * 0.5;
        let middle = (a.seen + b.seen + c.seen) / 3.0;
        let within = |v: f32, n: usize| (0.0..n as f32).contains(&v);
        if within(middle.x, self.width) && within(middle.y, self.height) {
            self.inside += area;
        }
        let low = a.seen.min(b.seen).min(c.seen);
        let high = a.seen.max(b.seen).max(c.seen);
        let bound = |v: f32, n: usize| (v.clamp(0.0, n as f32)) as usize;
        // Pixels whose middles can lie within.
        let (x0, x1) = (bound((low.x - 0.5).ceil(), self.width), bound((high.x + 0.5).floor(), self.width));
        let (y0, y1) = (bound((low.y - 0.5).ceil(), self.height), bound((high.y + 0.5).floor(), self.height));
        if x0 >= x1 || y0 >= y1 {
            return area;
        }
        let [dx0, dx1, dy0, dy1] = &mut self.drawn;
        (*dx0, *dx1, *dy0, *dy1) = ((*dx0).min(x0), (*dx1).max(x1), (*dy0).min(y0), (*dy1).max(y1));

        // Everything is a plane over the picture: value = at the first pixel + steps. What hangs on perspective is
        // divided by depth first.
        let inverse = 1.0 / twice;
        let near = [a.at.z, b.at.z, c.at.z].map(|z| 1.0 / z);
        let plane = |va: f32, vb: f32, vc: f32| {
            let (ab, ac) = (vb - va, vc - va);
            let (eb, ec) = (b.seen - a.seen, c.seen - a.seen);
            let dx = (ab * ec.y - ac * eb.y) * inverse;
            let dy = (ac * eb.x - ab * ec.x) * inverse;
            let first = va + dx * (x0 as f32 + 0.5 - a.seen.x) + dy * (y0 as f32 + 0.5 - a.seen.y);
            [first, dx, dy]
        };
        let nearness = plane(near[0], near[1], near[2]);
        let u = plane(a.uv.x * near[0], b.uv.x * near[1], c.uv.x * near[2]);
        let v = plane(a.uv.y * near[0], b.uv.y * near[1], c.uv.y * near[2]);
        let ambient = plane(a.ambient, b.ambient, c.ambient);
        let key = plane(a.key, b.key, c.key);
        let edge = |from: Vec2, to: Vec2| {
            let d = to - from;
            let at = Vec2::new(x0 as f32 + 0.5, y0 as f32 + 0.5) - from;
            // Positive within.
            [d.x * at.y - d.y * at.x, -d.y, d.x]
        };
        let edges = [edge(a.seen, b.seen), edge(b.seen, c.seen), edge(c.seen, a.seen)];

        let size = surface.texture.size();
        let uv_area = ((b.uv - a.uv) * size).perp_dot((c.uv - a.uv) * size).abs();
        let level = surface.texture.level(uv_area * inverse);

        for y in y0..y1 {
            let down = (y - y0) as f32;
            let start = edges.map(|[first, _, dy]| first + dy * down);
            let mut row = [nearness, u, v, ambient, key].map(|[first, _, dy]| first + dy * down);
            let mut e = start;
            for x in x0..x1 {
                if e[0] >= 0.0 && e[1] >= 0.0 && e[2] >= 0.0 {
                    let pixel = &mut self.pixels[y * self.width + x];
                    if row[0] > pixel.nearness {
                        let depth = 1.0 / row[0];
                        let [r, g, b, cover] = surface.texture.sample(level, row[1] * depth, row[2] * depth);
                        if cover >= 128 {
                            *pixel = Pixel {
                                nearness: row[0],
                                albedo: [r, g, b],
                                gloss: surface.gloss,
                                ambient: row[3] as u8,
                                key: row[4] as u8,
                                owner: surface.owner,
                            };
                        }
                    }
                }
                for (e, edge) in e.iter_mut().zip(&edges) {
                    *e += edge[1];
                }
                for (value, plane) in row.iter_mut().zip([&nearness, &u, &v, &ambient, &key]) {
                    *value += plane[1];
                }
            }
        }
        area
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Even;
    impl Light for Even {
        fn on(&self, _: Vec3, _: Vec3) -> (f32, f32) {
            (1.0, 1.0)
        }
    }

    fn camera() -> Camera {
        let (from, to) = (Vec3::new(-1.0, 0.0, 0.5), Vec3::new(0.0, 0.0, 0.0));
        Camera::looking("test", [320, 180], 1.0, [0.0, 0.0], from, to, 0.0)
    }

    fn cube(at: Vec3) -> (Mesh, Placement) {
        (Mesh::cuboid(Vec3::splat(0.2), 1), Placement { rotation: Mat3::IDENTITY, position: at })
    }

    fn owned(buffer: &Buffer, owner: u16) -> usize {
        buffer.pixels.iter().filter(|p| p.owner == owner).count()
    }

    #[test]
    fn a_body_covers_as_many_pixels_as_it_says() {
        let texture = Texture::plain([9, 9, 9]);
        let mut buffer = Buffer::new(320, 180);
        let (mesh, place) = cube(Vec3::ZERO);
        let surface = Surface { texture: &texture, gloss: 0, owner: 1, two_sided: false };
        let area = buffer.draw(&camera(), &mesh, &place, surface, &Even);
        let covered = owned(&buffer, 1) as f32;
        assert!((covered - area).abs() < 0.02 * area, "{covered} of {area}");
    }

    #[test]
    fn what_is_near_hides_what_is_far_in_either_order() {
        let texture = Texture::plain([9, 9, 9]);
        let bodies = [cube(Vec3::ZERO), cube(Vec3::new(-0.4, 0.05, 0.1))];
        let mut pictures = Vec::new();
        for order in [[0, 1], [1, 0]] {
            let mut buffer = Buffer::new(320, 180);
            for i in order {
                let surface = Surface { texture: &texture, gloss: 0, owner: i as u16 + 1, two_sided: false };
                let (mesh, place) = &bodies[i];
                buffer.draw(&camera(), mesh, place, surface, &Even);
            }
            assert!(owned(&buffer, 1) > 0 && owned(&buffer, 2) > owned(&buffer, 1));
            pictures.push(buffer.pixels);
        }
        assert_eq!(pictures[0], pictures[1]);
    }

    #[test]
    fn what_reaches_behind_the_camera_is_cut_and_clearing_forgets() {
        let texture = Texture::plain([9, 9, 9]);
        let mut mesh = Mesh::default();
        mesh.patch(Vec3::new(-3.0, -1.0, 0.0), Vec3::X * 6.0, Vec3::Y * 2.0, [1, 1], [0.0, 0.0, 1.0, 1.0]);
        let mut buffer = Buffer::new(320, 180);
        let surface = Surface { texture: &texture, gloss: 0, owner: 1, two_sided: false };
        buffer.draw(&camera(), &mesh, &Placement::HOME, surface, &Even);
        // The lowest row of pixels looks at the floor as well.
        assert_eq!(buffer.pixels[179 * 320 + 160].owner, 1);
        buffer.clear();
        assert!(buffer.pixels.iter().all(|p| *p == Pixel::default()));
        assert_eq!(buffer.drawn(), (180..180, 320..320));
    }

    #[test]
    fn holes_let_through() {
        let mut canvas = crate::texture::Canvas::new(16, 16, [200, 0, 0]);
        canvas.pierce(|u, _| u < 0.5);
        let texture = Texture::new(canvas);
        let mut buffer = Buffer::new(320, 180);
        let mut mesh = Mesh::default();
        mesh.patch(Vec3::new(-0.2, -0.2, 0.0), Vec3::X * 0.4, Vec3::Y * 0.4, [1, 1], [0.0, 0.0, 1.0, 1.0]);
        let surface = Surface { texture: &texture, gloss: 0, owner: 1, two_sided: false };
        let area = buffer.draw(&camera(), &mesh, &Placement::HOME, surface, &Even);
        let covered = owned(&buffer, 1) as f32;
        assert!((0.35..0.65).contains(&(covered / area)), "{covered} of {area}");
    }
}
