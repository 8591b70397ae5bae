//! Cameras: a pinhole with radial distortion, on a pose.
//!
//! World: metres; x along the cart towards its front, y to its left, z up, the origin in the middle of the basket's
//! opening. Camera: x to the right, y down, z ahead.

use glam::{Mat3, Vec2, Vec3};

/// A camera: lens and pose. Pixels are counted from the top left corner of the picture; a pixel's middle is at +0.5.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Its name on the cart.
    pub name: &'static str,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Focal length, pixels (square pixels).
    pub focal: f32,
    /// Where the optical axis meets the picture, pixels.
    pub centre: Vec2,
    /// Radial distortion: a point at `r` (tangent of its angle) is seen at `r · (1 + k1 r² + k2 r⁴)`.
    pub distortion: [f32; 2],
    /// World to camera.
    pub rotation: Mat3,
    /// Metres, world.
    pub position: Vec3,
}

impl Camera {
    /// A camera at `position` that looks at `target`, turned about its axis by `roll` radians; `angle` is the
    /// horizontal field of view before distortion, radians.
    pub(crate) fn looking(
        name: &'static str,
        [width, height]: [usize; 2],
        angle: f32,
        distortion: [f32; 2],
        position: Vec3,
        target: Vec3,
        roll: f32,
    ) -> Self {
        let ahead = (target - position).normalize();
        let right = ahead.cross(Vec3::Z).normalize();
        let down = ahead.cross(right);
        let (sin, cos) = (libm::sinf(roll), libm::cosf(roll));
        let (right, down) = (right * cos + down * sin, down * cos - right * sin);
        let focal = width as f32 * 0.5 / libm::tanf(angle * 0.5);
        Self {
            name,
            width,
            height,
            focal,
            centre: Vec2::new(width as f32 * 0.5, height as f32 * 0.5),
            distortion,
            rotation: Mat3::from_cols(right, down, ahead).transpose(),
            position,
        }
    }

    /// World to camera frame.
    #[inline]
    pub(crate) fn to_camera(&self, world: Vec3) -> Vec3 {
        self.rotation * (world - self.position)
    }

    /// Camera frame (in front of it) to picture, pixels.
    #[inline]
    pub(crate) fn onto_picture(&self, p: Vec3) -> Vec2 {
        let flat = Vec2::new(p.x, p.y) / p.z;
        self.centre + flat * (self.spread(flat.length_squared()) * self.focal)
    }

    /// Where a point of the world is in the picture; `None` behind the camera.
    pub fn project(&self, world: Vec3) -> Option<Vec2> {
        let p = self.to_camera(world);
        (p.z > NEAR).then(|| self.onto_picture(p))
    }

    /// The direction (world, unit depth along the axis) that a place in the picture looks into.
    pub(crate) fn ray(&self, pixel: Vec2) -> Vec3 {
        let seen = (pixel - self.centre) / self.focal;
        let mut flat = seen;
        for _ in 0..12 {
            flat = seen / self.spread(flat.length_squared());
        }
        self.rotation.transpose() * Vec3::new(flat.x, flat.y, 1.0)
    }

    /// The factor of distortion at squared radius `r2`. Beyond where the polynomial turns back on itself, what is
    /// far outside stays outside.
    #[inline]
    fn spread(&self, r2: f32) -> f32 {
        let [k1, k2] = self.distortion;
        let r2 = r2.min(LAST_R2);
        1.0 + k1 * r2 + k2 * r2 * r2
    }
}

/// Nearer than this nothing is drawn, metres.
pub(crate) const NEAR: f32 = 0.03;
/// Squared radius up to which the distortion is a polynomial: lenses here are made monotone up to it.
const LAST_R2: f32 = 2.4;

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> Camera {
        Camera::looking(
            "rim",
            [640, 360],
            1.7,
            [-0.12, 0.01],
            Vec3::new(-0.3, 0.3, 0.25),
            Vec3::new(0.05, -0.05, -0.25),
            0.05,
        )
    }

    #[test]
    fn a_ray_leads_back_to_its_pixel() {
        let camera = camera();
        for pixel in [[320.0, 180.0], [5.0, 5.0], [630.0, 350.0], [100.0, 300.0]] {
            let pixel = Vec2::from(pixel);
            let world = camera.position + camera.ray(pixel) * 0.7;
            let back = camera.project(world).unwrap();
            assert!(back.distance(pixel) < 0.05, "{pixel} came back as {back}");
        }
    }

    #[test]
    fn up_is_up_and_behind_is_nowhere() {
        let camera = camera();
        let low = camera.project(Vec3::new(0.1, 0.0, -0.3)).unwrap();
        let high = camera.project(Vec3::new(0.1, 0.0, 0.0)).unwrap();
        assert!(high.y < low.y);
        assert_eq!(camera.project(Vec3::new(-3.0, 3.0, 2.0)), None);
    }

    #[test]
    fn distortion_never_folds_back() {
        let camera = camera();
        let mut last = 0.0;
        for i in 1..400 {
            let seen = camera.onto_picture(Vec3::new(i as f32 * 0.02, 0.0, 1.0)).x;
            assert!(seen > last, "at {i}");
            last = seen;
        }
    }
}
