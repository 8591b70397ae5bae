//! What a picture costs to render, by difficulty: pictures a second on one core at 640×360, in order, as `cartlab sim`
//! takes them. With a directory as argument, also writes every 30th picture there (PPM).
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{path::PathBuf, time::Instant};

use cartvision_sim::{Catalogue, Difficulty, Order, Simulation};

fn main() {
    let out = std::env::args_os().nth(1).map(PathBuf::from);
    let seed: u64 = std::env::args().nth(2).map_or(7, |s| s.parse().unwrap());
    let catalogue = Catalogue::own();
    for difficulty in Difficulty::ALL {
        let order = Order { seed, difficulty, cameras: 2, duration: 40.0, fps: 15, width: 640, height: 360 };
        let simulation = Simulation::new(order, &catalogue);
        for change in &simulation.truth().changes {
            println!("{change:?}");
        }
        for episode in &simulation.truth().episodes {
            println!("{episode:?}");
        }
        for camera in 0..order.cameras {
            let mut studio = simulation.studio(&catalogue, camera);
            let began = Instant::now();
            let mut writing = 0.0;
            for frame in 0..simulation.frames() {
                let (rgb, seen) = studio.shoot(frame);
                if let Some(out) = &out
                    && frame % 3 == 0
                {
                    let now = Instant::now();
                    let mut bytes = format!("P6\n{} {}\n255\n", order.width, order.height).into_bytes();
                    let mut rgb = rgb.to_vec();
                    for s in seen {
                        let [x0, y0, x1, y1] = s.bbox.map(|v| v as usize);
                        for x in x0..x1 {
                            for y in [y0, y1 - 1] {
                                rgb[(y * order.width + x) * 3] = 255;
                            }
                        }
                        for y in y0..y1 {
                            for x in [x0, x1 - 1] {
                                rgb[(y * order.width + x) * 3 + 1] = 255;
                            }
                        }
                    }
                    bytes.extend_from_slice(&rgb);
                    let name = format!("{}-{camera}-{frame:04}.ppm", difficulty.name());
                    std::fs::write(out.join(name), bytes).unwrap();
                    writing += now.elapsed().as_secs_f64();
                }
            }
            let seconds = began.elapsed().as_secs_f64() - writing;
            println!(
                "{} camera {camera}: {:.1} pictures a second",
                difficulty.name(),
                f64::from(simulation.frames()) / seconds
            );
        }
    }
}
