//! The bare engine: as many inferences as asked for, with nothing around them.
//!
//! `cargo run --release -p cartvision-engines --example engine_bound -- BUNDLE THREADS INFERENCES`
//!
//! What the daemon cannot beat: sessions laid out as it does (one single-threaded session for each thread, the
//! options of `engines/src/detector/session.rs`), each run over and over on one constant picture. Prints one line of
//! JSON: `inferences`, `fps`, `cpu_ms_per_inference`, `peak_rss_mib`; loading and one first run apart.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use cartvision_engines::{
    Bundle, Runtime,
    bundle::{Dtype, TensorLayout},
};
use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::{DynTensor, Tensor},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, threads, inferences] = arguments.as_slice() else {
        return Err("usage: engine_bound BUNDLE THREADS INFERENCES".into());
    };
    let (threads, inferences): (usize, u64) = (threads.parse()?, inferences.parse()?);
    let bundle = Bundle::open(Path::new(bundle))?;
    let runtime = Runtime::open()?;
    let mut sessions: Vec<_> =
        (0..threads.max(1)).map(|_| session(&runtime, &bundle)).collect::<Result<_, _>>()?;
    for (session, input) in &mut sessions {
        session.run(ort::inputs![&*input])?;
    }

    // Whoever is free takes the next, as the daemon's workers do.
    let taken = AtomicU64::new(0);
    let (began, cpu_before) = (Instant::now(), cpu_ms());
    thread::scope(|scope| {
        let work = |(session, input): &mut (Session, DynTensor)| {
            while taken.fetch_add(1, Ordering::Relaxed) < inferences {
                session.run(ort::inputs![&*input]).map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        };
        let workers: Vec<_> = sessions.iter_mut().map(|session| scope.spawn(move || work(session))).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a worker panicked".to_owned())?)
    })?;
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_ms() - cpu_before);
    println!(
        "{{\"inferences\":{inferences},\"fps\":{:.3},\"cpu_ms_per_inference\":{:.3},\"peak_rss_mib\":{:.1}}}",
        inferences as f64 / wall,
        cpu / inferences as f64,
        peak_rss_mib()?
    );
    Ok(())
}

/// A session as the detector's, and a grey picture as its input.
fn session(runtime: &Runtime, bundle: &Bundle) -> Result<(Session, DynTensor), Box<dyn Error>> {
    let model = &bundle.manifest().detector;
    let file = model.variants.onnx_fp32.as_ref().ok_or("a bundle with onnx-fp32, please")?;
    // Typed, because a builder's error carries the builder.
    let plain = ort::Error::<()>::from;
    let session = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(plain)?
        .with_parallel_execution(false)
        .map_err(plain)?
        .with_intra_threads(1)
        .map_err(plain)?
        .with_intra_op_spinning(false)
        .map_err(plain)?
        .commit_from_memory(&bundle.read(file)?)?;
    let extents = match model.layout {
        TensorLayout::Nchw => [1, 3, model.height, model.width],
        TensorLayout::Nhwc => [1, model.height, model.width, 3],
    };
    let count = extents.iter().product();
    let grey = 128_u8;
    let input = match model.dtype {
        Dtype::F32 => Tensor::from_array((extents, vec![f32::from(grey) * model.scale; count]))?.upcast(),
        Dtype::U8 => Tensor::from_array((extents, vec![grey; count]))?.upcast(),
    };
    Ok((session, input))
}

/// CPU time of this process so far, all threads.
fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// The most memory that was resident, MiB.
fn peak_rss_mib() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
