//! Chance, all of it: streams of numbers that depend on a seed and a purpose, never on who asked first.

use glam::{Vec2, Vec3};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers. ChaCha promises the same stream on every machine and in every version.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream for `purpose` (its first 16 bytes count) number `n` under `seed`.
    pub(crate) fn new(seed: u64, purpose: &str, n: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&n.to_le_bytes());
        for (place, byte) in key[16..].iter_mut().zip(purpose.bytes()) {
            *place = byte;
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// From 0 to 1, without 1.
    pub(crate) fn share(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / 16_777_216.0
    }

    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.share()
    }

    /// One of `0..n`; 0 where there is none.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.bits()) * n as u64) >> 32) as usize
    }

    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.share() < p
    }

    /// Mean 0, variance 1 (a sum of uniforms: within ±3.5, which is what shaking hands and sensors need).
    pub(crate) fn normal(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.share()).sum();
        (sum - 2.0) * 1.732_050_8
    }

    pub(crate) fn vec3(&mut self, size: f32) -> Vec3 {
        Vec3::new(self.normal(), self.normal(), self.normal()) * size
    }

    pub(crate) fn vec2(&mut self, size: f32) -> Vec2 {
        Vec2::new(self.normal(), self.normal()) * size
    }

    /// An index, each as likely as its weight is of all.
    pub(crate) fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut left = self.share() * weights.iter().sum::<f32>();
        for (i, weight) in weights.iter().enumerate() {
            if left < *weight {
                return i;
            }
            left -= weight;
        }
        weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
    }
}
