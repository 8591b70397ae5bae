//! Which camera.

/// The most cameras one cart has.
pub const MAX_CAMERAS: usize = 8;

/// A camera of the cart: its place in the configuration, below [`MAX_CAMERAS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraId(u8);

impl CameraId {
    /// The camera at `index`; `None` from [`MAX_CAMERAS`] on.
    pub const fn new(index: usize) -> Option<Self> {
        if index < MAX_CAMERAS { Some(Self(index as u8)) } else { None }
    }

    /// Every camera that a cart may have, in order of configuration.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..MAX_CAMERAS as u8).map(Self)
    }

    /// Its place in the configuration.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Some of the cart's cameras.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CameraSet(u8);

impl CameraSet {
    /// Just this camera.
    pub const fn only(camera: CameraId) -> Self {
        Self(1 << camera.0)
    }

    /// Adds a camera.
    pub const fn insert(&mut self, camera: CameraId) {
        self.0 |= 1 << camera.0;
    }

    /// Takes a camera out.
    pub const fn remove(&mut self, camera: CameraId) {
        self.0 &= !(1 << camera.0);
    }

    /// Whether the camera is in the set.
    pub const fn contains(self, camera: CameraId) -> bool {
        self.0 & (1 << camera.0) != 0
    }

    /// Whether every camera of `other` is in this set.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The cameras, in order of configuration.
    pub fn iter(self) -> impl Iterator<Item = CameraId> {
        CameraId::all().filter(move |c| self.contains(*c))
    }
}
