//! What capture alone costs: `cargo run --release --example capture_cost -- VIDEO [WIDTH HEIGHT]`.

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use cartvision_pipelines::{CameraName, CameraSettings, FrameSet, Pace, Source, Taken, What};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = args.first().ok_or("give a video: capture_cost VIDEO [WIDTH HEIGHT]")?.into();
    let side = |i: usize| args.get(i).map_or(Ok(416), |a| a.parse::<usize>());
    let source = Source::File { path, repeat: false };
    let camera = CameraSettings::new(CameraName::new("only")?, source, side(1)?, side(2)?);
    let set = FrameSet::open(vec![camera], Pace::Lossless { realtime: false })?;
    let (start, cpu_before) = (Instant::now(), cpu()?);
    let (mut frames, mut bytes) = (0_u32, 0_usize);
    loop {
        match set.take(Duration::from_secs(10)) {
            Taken::Given { what: What::Frame(frame), .. } => {
                frames += 1;
                bytes += frame.picture().data.len();
            }
            Taken::Given { what: What::Failed(_, error), .. } => return Err(error.into()),
            Taken::Given { what: What::Ended(_), .. } => {}
            Taken::Over => break,
            Taken::Idle => return Err("nothing came for 10 s".into()),
        }
    }
    let (wall, cpu) = (start.elapsed(), cpu()?.saturating_sub(cpu_before));
    println!(
        "frames {frames}  fps {:.0}  cpu_ms_per_frame {:.3}  bytes_per_frame {}",
        f64::from(frames) / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e3 / f64::from(frames),
        bytes / frames.max(1) as usize,
    );
    Ok(())
}

/// CPU time of this process so far. `/proc` counts in ticks of 1/100 s, which every Linux keeps for it.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').ok_or("no fields in /proc/self/stat")?.1.split_whitespace().collect();
    let ticks = fields.get(11).ok_or("no utime")?.parse::<u64>()?
        + fields.get(12).ok_or("no stime")?.parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
