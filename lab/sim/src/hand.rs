//! Hands and arms: where they are, and bodies for that.

use glam::Vec3;

use crate::mesh::Mesh;
use crate::texture::Rgb;

/// From the wrist to the middle of what the hand holds, metres.
const REACH: f32 = 0.105;
/// Upper arm and forearm, metres.
const UPPER: f32 = 0.31;
const FORE: f32 = 0.27;

/// Who leaves at least this share of the forearm bare wears short sleeves.
const SHORT: f32 = 0.9;

/// Whose arms: what they look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arms {
    pub(crate) skin: Rgb,
    /// Colour of the sleeve, and the share of the forearm that it leaves bare.
    pub(crate) sleeve: Rgb,
    pub(crate) bare: f32,
    pub(crate) glove: Option<Rgb>,
    /// Size of the hand, 1 is the usual one.
    pub(crate) size: f32,
}

/// What a hand does at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grasp {
    /// The middle of what it holds, or would hold.
    pub(crate) point: Vec3,
    /// How far thumb and fingers are apart, metres.
    pub(crate) width: f32,
    /// 0: the palm faces inwards, as for a bottle; 1: downwards, as for a can from above.
    pub(crate) over: f32,
    pub(crate) shoulder: Vec3,
    pub(crate) right: bool,
}

/// The joints of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Joints {
    pub(crate) shoulder: Vec3,
    pub(crate) elbow: Vec3,
    pub(crate) wrist: Vec3,
    /// Unit vectors: along the fingers, out of the palm, towards the thumb.
    forward: Vec3,
    palm: Vec3,
    thumb: Vec3,
}

impl Grasp {
    pub(crate) fn joints(&self) -> Joints {
        let inwards = (self.point - self.shoulder).normalize_or(Vec3::X);
        let forward = (inwards * 0.75 + Vec3::new(0.0, 0.0, -0.65)).normalize();
        let across = forward.cross(Vec3::Z).normalize_or(Vec3::Y);
        let inner = if self.right { -across } else { across };
        let down = (-Vec3::Z - forward * forward.dot(-Vec3::Z)).normalize_or(inner);
        let palm = (inner * (1.0 - self.over) + down * self.over).normalize();
        let thumb = if self.right { palm.cross(forward) } else { forward.cross(palm) };
        let wrist = self.point - forward * REACH - palm * (self.width * 0.5 + 0.014);
        // Too far for the arm: the shopper leans over.
        let way = wrist - self.shoulder;
        let most = (UPPER + FORE) * 0.97;
        let lean = (way.length() - most).max(0.0);
        let shoulder = self.shoulder + way.normalize_or_zero() * lean;
        let way = wrist - shoulder;
        let far = way.length().max(0.05);
        let along = way / far;
        // The elbow hangs down and outwards.
        let a = (UPPER * UPPER - FORE * FORE + far * far) / (2.0 * far);
        let out = libm::sqrtf((UPPER * UPPER - a * a).max(0.0));
        let hang = Vec3::new(0.0, if self.right { -0.5 } else { 0.5 }, -1.0);
        let hang = (hang - along * along.dot(hang)).normalize_or(Vec3::Y);
        Joints { shoulder, elbow: shoulder + along * a + hang * out, wrist, forward, palm, thumb }
    }
}

/// Makes the bodies of a hand: first what is bare or gloved, then the forearm's skin, then the sleeve. Reuses the meshes.
pub(crate) fn bodies(grasp: &Grasp, joints: &Joints, arms: &Arms, [hand, skin, sleeve]: &mut [Mesh; 3]) {
    for mesh in [&mut *hand, &mut *skin, &mut *sleeve] {
        mesh.vertices.clear();
        mesh.triangles.clear();
    }
    let size = arms.size;
    let Joints { shoulder, elbow, wrist, forward, palm, thumb } = *joints;
    let thick = [0.044, 0.037, 0.027].map(|r| r * size);
    if arms.bare < SHORT {
        // The sleeve ends on the forearm.
        let end = elbow + (wrist - elbow) * (1.0 - arms.bare);
        let at_end = thick[1] + (thick[2] - thick[1]) * (1.0 - arms.bare);
        skin.tube(&[(end, at_end), (wrist, thick[2])], 10);
        sleeve.tube(&[(shoulder, 0.062), (elbow, 0.048), (end, at_end + 0.008)], 10);
    } else {
        // It ends on the upper arm.
        let end = shoulder + (elbow - shoulder) * 0.6;
        skin.tube(&[(end, thick[0]), (elbow, thick[1]), (wrist, thick[2])], 10);
        sleeve.tube(&[(shoulder, 0.066), (end, 0.058)], 10);
    }
    hand.tube(&[(wrist - forward * 0.01, 0.027 * size), (wrist + forward * 0.03, 0.026 * size)], 10);

    // The wider the grasp, the straighter the fingers.
    let curl = 1.30 - ((grasp.width - 0.015) / 0.09).clamp(0.0, 1.0) * 0.95;
    for finger in 0..4 {
        let aside = (1.5 - finger as f32) * 0.0205 * size;
        let long = [0.92, 1.04, 1.0, 0.8][finger] * size;
        let root = wrist + forward * 0.02 + thumb * (aside * 0.55);
        let knuckle = wrist + forward * (0.086 * size) + thumb * aside + palm * 0.004;
        hand.tube(&[(root, 0.0165 * size), (knuckle, 0.0125 * size)], 8);
        let mut at = knuckle;
        let mut spine = [(at, 0.0105 * size); 4];
        let mut angle = 0.25 * curl;
        for (joint, length) in [0.043, 0.026, 0.021].into_iter().enumerate() {
            angle += curl * [0.35, 0.75, 0.55][joint];
            let way = forward * libm::cosf(angle) + palm * libm::sinf(angle);
            at += way * (length * long);
            spine[joint + 1] = (at, [0.0098, 0.0090, 0.0080][joint] * size);
        }
        hand.tube(&spine, 8);
    }
    let root = wrist + forward * (0.022 * size) + thumb * (0.020 * size) + palm * 0.006;
    let reach = grasp.width.min(0.07);
    let first =
        root + (forward * 0.55 + thumb * 0.55 + palm * (0.35 + reach * 4.0)).normalize() * (0.042 * size);
    let tip = first + (forward * 0.75 - thumb * 0.15 + palm * 0.45).normalize() * (0.036 * size);
    hand.tube(&[(root, 0.0165 * size), (first, 0.0120 * size), (tip, 0.0095 * size)], 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_keep_their_length_however_far_they_reach() {
        for (point, right) in [
            (Vec3::new(-0.5, 0.0, 0.1), true),
            (Vec3::new(0.2, 0.1, -0.2), false),
            (Vec3::new(3.0, 0.0, 0.0), true),
        ] {
            let grasp = Grasp { point, width: 0.06, over: 0.3, shoulder: Vec3::new(-0.8, -0.2, 0.4), right };
            let joints = grasp.joints();
            assert!((joints.elbow.distance(joints.shoulder) - UPPER).abs() < 1e-3);
            assert!((joints.wrist.distance(joints.elbow) - FORE).abs() < 0.02, "{joints:?}");
            let held = joints.wrist + joints.forward * REACH + joints.palm * (0.03 + 0.014);
            assert!(held.distance(point) < 1e-4);
        }
    }
}
