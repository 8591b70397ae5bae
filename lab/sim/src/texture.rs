//! Painted surfaces: small pictures with a chain of halved ones, so that what is far does not flicker.

use glam::{Vec2, Vec3};

/// A colour as screens have it: sRGB, 0 to 255.
pub(crate) type Rgb = [u8; 3];

/// A picture on a surface: square-cornered, repeated beyond its edges.
#[derive(Clone, Debug)]
pub(crate) struct Texture {
    levels: Vec<Level>,
}

#[derive(Clone, Debug)]
struct Level {
    width: usize,
    height: usize,
    /// Red, green, blue, cover (0: a hole).
    pixels: Vec<[u8; 4]>,
}

impl Texture {
    /// Takes a canvas as it is painted and makes the halved ones.
    pub(crate) fn new(canvas: Canvas) -> Self {
        let mut levels = vec![Level { width: canvas.width, height: canvas.height, pixels: canvas.pixels }];
        while let Some(last) = levels.last()
            && (last.width > 1 || last.height > 1)
        {
            levels.push(last.halved());
        }
        Self { levels }
    }

    pub(crate) fn plain(colour: Rgb) -> Self {
        Self::new(Canvas::new(1, 1, colour))
    }

    /// Width and height of the finest level, texels.
    pub(crate) fn size(&self) -> Vec2 {
        Vec2::new(self.levels[0].width as f32, self.levels[0].height as f32)
    }

    /// The level at which one step on the screen is about one texel, where a screen pixel covers `texels` of the
    /// finest one (as an area).
    pub(crate) fn level(&self, texels: f32) -> usize {
        let mut level = 0;
        let mut area = 2.0;
        while area < texels && level + 1 < self.levels.len() {
            area *= 4.0;
            level += 1;
        }
        level
    }

    /// Bilinear. `u` and `v` in shares of the picture, v downwards.
    #[inline]
    pub(crate) fn sample(&self, level: usize, u: f32, v: f32) -> [u8; 4] {
        let level = &self.levels[level];
        if level.pixels.len() == 1 {
            return level.pixels[0];
        }
        let x = (u - u.floor()) * level.width as f32 - 0.5;
        let y = (v - v.floor()) * level.height as f32 - 0.5;
        let (xf, yf) = (x.floor(), y.floor());
        let wx = ((x - xf) * 256.0) as u32;
        let wy = ((y - yf) * 256.0) as u32;
        let wrap = |v: f32, n: usize| if v < 0.0 { n - 1 } else { (v as usize).min(n - 1) };
        let (x0, y0) = (wrap(xf, level.width), wrap(yf, level.height));
        let x1 = if x0 + 1 == level.width { 0 } else { x0 + 1 };
        let y1 = if y0 + 1 == level.height { 0 } else { y0 + 1 };
        let (r0, r1) = (y0 * level.width, y1 * level.width);
        let [a, b, c, d] =
            [level.pixels[r0 + x0], level.pixels[r0 + x1], level.pixels[r1 + x0], level.pixels[r1 + x1]];
        std::array::from_fn(|i| {
            let top = u32::from(a[i]) * (256 - wx) + u32::from(b[i]) * wx;
            let bottom = u32::from(c[i]) * (256 - wx) + u32::from(d[i]) * wx;
            ((top * (256 - wy) + bottom * wy) >> 16) as u8
        })
    }
}

impl Level {
    fn halved(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        let at =
            |x: usize, y: usize| self.pixels[y.min(self.height - 1) * self.width + x.min(self.width - 1)];
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let four =
                    [at(2 * x, 2 * y), at(2 * x + 1, 2 * y), at(2 * x, 2 * y + 1), at(2 * x + 1, 2 * y + 1)];
                pixels.push(std::array::from_fn(|i| {
                    (four.iter().map(|p| u32::from(p[i])).sum::<u32>().div_ceil(4)) as u8
                }));
            }
        }
        Self { width, height, pixels }
    }
}

/// What one paints on.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<[u8; 4]>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize, colour: Rgb) -> Self {
        let [r, g, b] = colour;
        Self { width, height, pixels: vec![[r, g, b, 255]; width * height] }
    }

    pub(crate) fn get(&self, x: usize, y: usize) -> [u8; 4] {
        self.pixels[y * self.width + x]
    }

    pub(crate) fn set(&mut self, x: usize, y: usize, colour: [u8; 4]) {
        self.pixels[y * self.width + x] = colour;
    }

    /// Paints every pixel for which `cover` (asked in shares of the canvas, at the pixel's middle) is above 0.
    pub(crate) fn paint(&mut self, colour: Rgb, cover: impl Fn(f32, f32) -> f32) {
        for y in 0..self.height {
            for x in 0..self.width {
                let (u, v) = ((x as f32 + 0.5) / self.width as f32, (y as f32 + 0.5) / self.height as f32);
                let share = cover(u, v).clamp(0.0, 1.0);
                if share > 0.0 {
                    let pixel = &mut self.pixels[y * self.width + x];
                    for (old, new) in pixel.iter_mut().zip(colour) {
                        *old = (f32::from(*old) * (1.0 - share) + f32::from(new) * share + 0.5) as u8;
                    }
                }
            }
        }
    }

    pub(crate) fn rectangle(&mut self, colour: Rgb, [u0, v0, u1, v1]: [f32; 4]) {
        self.paint(colour, |u, v| f32::from(u8::from(u >= u0 && u < u1 && v >= v0 && v < v1)));
    }

    /// Radii in shares of the canvas' width and height.
    pub(crate) fn ellipse(&mut self, colour: Rgb, middle: Vec2, radii: Vec2) {
        self.paint(colour, |u, v| {
            let (dx, dy) = ((u - middle.x) / radii.x, (v - middle.y) / radii.y);
            (1.0 - (dx * dx + dy * dy)) * 8.0
        });
    }

    /// Cuts a hole wherever `hole` says so.
    pub(crate) fn pierce(&mut self, hole: impl Fn(f32, f32) -> bool) {
        for y in 0..self.height {
            for x in 0..self.width {
                let (u, v) = ((x as f32 + 0.5) / self.width as f32, (y as f32 + 0.5) / self.height as f32);
                if hole(u, v) {
                    self.pixels[y * self.width + x][3] = 0;
                }
            }
        }
    }

    /// Changes every colour.
    pub(crate) fn tint(&mut self, of: impl Fn(f32, f32, Vec3) -> Vec3) {
        for y in 0..self.height {
            for x in 0..self.width {
                let (u, v) = ((x as f32 + 0.5) / self.width as f32, (y as f32 + 0.5) / self.height as f32);
                let pixel = &mut self.pixels[y * self.width + x];
                let old = Vec3::new(pixel[0].into(), pixel[1].into(), pixel[2].into());
                let new = of(u, v, old).clamp(Vec3::ZERO, Vec3::splat(255.0));
                (pixel[0], pixel[1], pixel[2]) = (new.x as u8, new.y as u8, new.z as u8);
            }
        }
    }
}

/// A colour by hue (turns), saturation and value, 0 to 1.
pub(crate) fn hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    let h = (hue - hue.floor()) * 6.0;
    let c = value * saturation;
    let channel = |shift: f32| {
        let k = {
            let k = h + shift;
            if k >= 6.0 { k - 6.0 } else { k }
        };
        let ramp = k.min(4.0 - k).clamp(0.0, 1.0);
        ((value - c * ramp) * 255.0 + 0.5) as u8
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

/// Smooth noise of a lattice, 0 to 1, that repeats after `period` cells.
pub(crate) fn noise(seed: u32, x: f32, y: f32, period: i32) -> f32 {
    let (xf, yf) = (x.floor(), y.floor());
    let (tx, ty) = (x - xf, y - yf);
    let (sx, sy) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let at = |dx: i32, dy: i32| {
        let (x, y) = ((xf as i32 + dx).rem_euclid(period), (yf as i32 + dy).rem_euclid(period));
        hash(seed, x as u32, y as u32)
    };
    let top = at(0, 0) + (at(1, 0) - at(0, 0)) * sx;
    let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * sx;
    top + (bottom - top) * sy
}

fn hash(seed: u32, x: u32, y: u32) -> f32 {
    let mut h = seed ^ x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 / 16_777_216.0
}
