//! What an inference costs, by session option, and what `Detector::detect` costs on top of a bare session.
//!
//! `cargo run --release -p cartvision-engines --example inference_cost -- BUNDLE [RGB WIDTH HEIGHT]`
//!
//! Each round runs every setting once, in turn, so that a noisy machine is noisy for all; medians over the rounds
//! are printed as process CPU milliseconds an inference and as inferences a second. RGB: a file of raw pixels at the
//! fitted size, instead of a grey picture; its detections are printed too.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, path::Path, thread, time::Instant};

use cartvision_core::{Detections, Picture, PixelFormat};
use cartvision_engines::{Bundle, Detector, Runtime};
use ort::{
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::Tensor,
};

const ROUNDS: usize = 15;
const INFERENCES: usize = 20;

type Outcome<T> = Result<T, Box<dyn Error>>;
type Runner = Box<dyn FnMut() -> Outcome<()> + Send>;

/// One way to run inferences: as many runners as there are workers.
struct Setting {
    name: &'static str,
    workers: Vec<Runner>,
    cpu_ms: Vec<f64>,
    per_second: Vec<f64>,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bundle = Bundle::open(Path::new(arguments.first().ok_or("which bundle?")?))?;
    let runtime = Runtime::open()?;
    let (width, height, data) = match arguments.as_slice() {
        [_, rgb, width, height] => (width.parse()?, height.parse()?, fs::read(rgb)?),
        _ => {
            let (width, height) = cartvision_core::picture::fit(
                16,
                9,
                bundle.manifest().detector.width,
                bundle.manifest().detector.height,
            );
            (width, height, vec![128; width * height * 3])
        }
    };
    let mut seen = Detections::new();
    let picture = Picture { data: &data, width, height, stride: width * 3, format: PixelFormat::Rgb };
    Detector::load(&runtime, &bundle, 1)?.detect(picture, &mut seen)?;
    for d in &seen {
        println!(
            "{:>20} {:.3} {:?}",
            bundle.manifest().classes[usize::from(d.class.0)].label,
            d.score,
            d.bbox
        );
    }

    let detector = |threads| -> Outcome<Runner> {
        let mut detector = Detector::load(&runtime, &bundle, threads)?;
        let (data, mut seen) = (data.clone(), Detections::new());
        Ok(Box::new(move || {
            let picture = Picture { data: &data, width, height, stride: width * 3, format: PixelFormat::Rgb };
            Ok(detector.detect(picture, &mut seen)?)
        }))
    };
    let file =
        bundle.manifest().detector.variants.onnx_fp32.as_ref().ok_or("a bundle with onnx-fp32, please")?;
    let model = bundle.read(file)?;
    let extents = [1, 3, bundle.manifest().detector.height, bundle.manifest().detector.width];
    let count = extents.iter().product();
    let pixels: Vec<f32> = data.iter().cycle().take(count).map(|byte| f32::from(*byte)).collect();
    let bare = |threads, change: fn(SessionBuilder) -> ort::Result<SessionBuilder>| -> Outcome<Runner> {
        let builder = Session::builder(runtime.environment())?
            .with_intra_threads(threads)
            .map_err(ort::Error::<()>::from)?;
        let mut session = change(builder)?.commit_from_memory(&model)?;
        let input = Tensor::from_array((extents, pixels.clone()))?;
        Ok(Box::new(move || {
            session.run(ort::inputs![&input])?;
            Ok(())
        }))
    };
    let same: fn(SessionBuilder) -> ort::Result<SessionBuilder> = Ok;

    let mut settings = Vec::new();
    let mut add = |name, workers: Vec<Runner>| {
        settings.push(Setting { name, workers, cpu_ms: Vec::new(), per_second: Vec::new() });
    };
    add("bare, 1 thread", vec![bare(1, same)?]);
    add("detector, 1 thread", vec![detector(1)?]);
    add("  level 1", vec![bare(1, |b| Ok(b.with_optimization_level(GraphOptimizationLevel::Level1)?))?]);
    add("  level 2", vec![bare(1, |b| Ok(b.with_optimization_level(GraphOptimizationLevel::Level2)?))?]);
    add("  level 3", vec![bare(1, |b| Ok(b.with_optimization_level(GraphOptimizationLevel::Level3)?))?]);
    add("  no memory pattern", vec![bare(1, |b| Ok(b.with_memory_pattern(false)?))?]);
    add("  no prepacking", vec![bare(1, |b| Ok(b.with_prepacking(false)?))?]);
    add("  flush denormals", vec![bare(1, |b| Ok(b.with_flush_to_zero()?))?]);
    add("bare, 2 threads, spinning", vec![bare(2, |b| Ok(b.with_intra_op_spinning(true)?))?]);
    add("bare, 2 threads, waiting", vec![bare(2, |b| Ok(b.with_intra_op_spinning(false)?))?]);
    add("detector, 2 threads", vec![detector(2)?]);
    add("bare, 2 × 1 thread", vec![bare(1, same)?, bare(1, same)?]);
    add("detector, 2 × 1 thread", vec![detector(1)?, detector(1)?]);
    add(
        "  2 × 2 threads, waiting",
        vec![
            bare(2, |b| Ok(b.with_intra_op_spinning(false)?))?,
            bare(2, |b| Ok(b.with_intra_op_spinning(false)?))?,
        ],
    );

    for _ in 0..ROUNDS {
        for setting in &mut settings {
            let count = (INFERENCES / setting.workers.len() * setting.workers.len()) as f64;
            let (start, cpu) = (Instant::now(), cpu_ms());
            thread::scope(|scope| {
                let each = INFERENCES / setting.workers.len();
                let handles: Vec<_> = setting
                    .workers
                    .iter_mut()
                    .map(|run| {
                        scope.spawn(move || (0..each).try_for_each(|_| run().map_err(|e| e.to_string())))
                    })
                    .collect();
                handles.into_iter().try_for_each(|h| h.join().map_err(|_| "a worker panicked".to_owned())?)
            })?;
            setting.cpu_ms.push((cpu_ms() - cpu) / count);
            setting.per_second.push(count / start.elapsed().as_secs_f64());
        }
    }
    let base = settings[0].cpu_ms.clone();
    println!("{:<28}{:>10}{:>8}{:>12}", "", "CPU ms", "ratio", "a second");
    for setting in &mut settings {
        // Against the same round's first setting: what else the machine does counts for both.
        let mut ratios: Vec<f64> = setting.cpu_ms.iter().zip(&base).map(|(cpu, base)| cpu / base).collect();
        let (cpu, rate) = (median(&mut setting.cpu_ms), median(&mut setting.per_second));
        println!("{:<28}{cpu:>10.2}{:>8.3}{rate:>12.1}", setting.name, median(&mut ratios));
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of this process so far, all threads.
fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
