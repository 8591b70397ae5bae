//! What a picture costs to render: pictures a second on one core at 640×360, by difficulty and camera, taken in order as
//! `cartlab sim` takes them. Encoding is not in it.
#![allow(clippy::print_stdout, missing_docs, reason = "a benchmark prints")]

use std::time::Instant;

use cartvision_sim::{Catalogue, Difficulty, Order, Simulation};

fn main() {
    let catalogue = Catalogue::own();
    for difficulty in Difficulty::ALL {
        let order =
            Order { seed: 7, difficulty, cameras: 2, duration: 40.0, fps: 15, width: 640, height: 360 };
        let simulation = Simulation::new(order, &catalogue);
        for camera in 0..order.cameras {
            let mut studio = simulation.studio(&catalogue, camera);
            let began = Instant::now();
            for frame in 0..simulation.frames() {
                let (picture, _) = studio.shoot(frame);
                std::hint::black_box(picture);
            }
            let rate = f64::from(simulation.frames()) / began.elapsed().as_secs_f64();
            println!(
                "{} {}: {rate:.1} pictures a second",
                difficulty.name(),
                simulation.cameras()[camera].name
            );
        }
    }
}
