//! A bench for people: figures in columns, and the row for the table in README.md.

use std::fmt::Write as _;

use cartvision_wire::bench::{Bench, SensorFigures};
use cartvision_wire::telemetry::StageFigures;
use cartvision_wire::{List, Measure};

/// The stages of a picture, in its order.
const STAGES: [&str; 3] = ["slot", "inference", "decision"];
/// What nothing measured.
const NOTHING: &str = "–";

/// All of it.
pub(super) fn text(bench: &Bench) -> String {
    let Bench { engine_only, pipeline, .. } = bench;
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a string does not fail.
        _ = writeln!(out, "{text}");
    };
    line(format!("device       {}", bench.device));
    line(format!("engine       {}", bench.engine));
    if let Some(why) = &bench.fallback {
        line(format!("             the CPU stands in: {why}"));
    }
    line(format!("bundle       {}", bench.bundle));
    if bench.beside_a_cart {
        line("             a cart ran meanwhile: this is what it left".to_owned());
    }
    line(String::new());
    line(format!(
        "engine only  {:.1} inferences a second, {} s",
        engine_only.inferences_per_s.get(),
        seconds(engine_only.seconds)
    ));
    for stage in [Some(&engine_only.detector), engine_only.classifier.as_ref()].into_iter().flatten() {
        line(format!("  {:<10} {} ms (p50 / p99)", stage.stage.as_str(), both(Some(stage))));
    }
    line(format!("  sensors    {}", sensors(&engine_only.sensors)));
    line(String::new());
    line(format!("cameras      {}, {} s", cameras(bench), seconds(pipeline.seconds)));
    line(format!(
        "  {:<20} {:>10} {:>8} {:>17} {:>17} {:>17}",
        "p50 / p99 in ms", "pictures/s", "dropped", STAGES[0], STAGES[1], STAGES[2]
    ));
    let mut row = |name: &str, per_s: Measure, dropped: u64, stages: &List<StageFigures, 16>| {
        let [slot, inference, decision] =
            STAGES.map(|name| both(stages.iter().find(|s| s.stage.as_str() == name)));
        line(format!(
            "  {name:<20} {:>10.1} {dropped:>8} {slot:>17} {inference:>17} {decision:>17}",
            per_s.get()
        ));
    };
    for camera in pipeline.cameras.iter() {
        row(camera.camera.as_str(), camera.frames_per_s, camera.dropped, &camera.stages);
    }
    row("all", pipeline.pictures_per_s, pipeline.dropped, &pipeline.stages);
    for camera in pipeline.cameras.iter().filter(|camera| camera.slow > 0) {
        line(format!("  {}: looked at too seldom to decide by", camera.camera));
    }
    line(format!(
        "  {:.1} ms CPU a picture, {:.0} MiB at most; {}",
        pipeline.cpu_ms_per_picture.get(),
        pipeline.peak_rss_mib.get(),
        sensors(&pipeline.sensors)
    ));
    line(String::new());
    line("For the table in README.md:".to_owned());
    out.push_str(&markdown(bench));
    out
}

/// One row of the table in README.md: device, engine, cameras, pictures/s, engine only, slot, inference, decision, CPU,
/// watts, degrees.
fn markdown(bench: &Bench) -> String {
    let Bench { engine_only, pipeline, .. } = bench;
    let [slot, inference, decision] = STAGES.map(|name| both(pipeline.stage(name)));
    let SensorFigures { most_c, mean_w, .. } = pipeline.sensors;
    let cells = [
        bench.device.to_string(),
        bench.engine.to_string(),
        cameras(bench),
        format!("{:.1}", pipeline.pictures_per_s.get()),
        format!("{:.1}", engine_only.inferences_per_s.get()),
        slot,
        inference,
        decision,
        format!("{:.1}", pipeline.cpu_ms_per_picture.get()),
        measured(mean_w),
        measured(most_c),
    ];
    // A name may hold what ends a cell.
    format!("| {} |", cells.map(|cell| cell.replace('|', "/")).join(" | "))
}

fn seconds(measure: Measure) -> String {
    format!("{:.1}", measure.get())
}

fn cameras(bench: &Bench) -> String {
    let count = bench.pipeline.cameras.len();
    if bench.pattern { format!("{count} test") } else { count.to_string() }
}

fn both(stage: Option<&StageFigures>) -> String {
    stage.map_or_else(|| NOTHING.to_owned(), |s| format!("{:.1} / {:.1}", s.p50_ms.get(), s.p99_ms.get()))
}

fn measured(measure: Option<Measure>) -> String {
    measure.map_or_else(|| NOTHING.to_owned(), |measure| format!("{:.1}", measure.get()))
}

fn sensors(sensors: &SensorFigures) -> String {
    let SensorFigures { most_c, mean_w, most_w } = *sensors;
    format!(
        "{} W on average, {} W at most, {} °C at most",
        measured(mean_w),
        measured(most_w),
        measured(most_c)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const README: &str = include_str!("../../../../README.md");

    fn bench() -> Bench {
        serde_json::from_str(
            r#"{
                "device": "a|board, 6 cores", "engine": "TensorRT 10.3.0 on Orin, onnx-int8-qdq, 2 threads",
                "bundle": "b 1", "threads": 2, "beside_a_cart": true, "pattern": true,
                "engine_only": {
                    "seconds": 20.0, "inferences": 6000, "inferences_per_s": 300.0,
                    "detector": {"stage": "detector", "p50_ms": 3.21, "p99_ms": 4.0}, "sensors": {}
                },
                "pipeline": {
                    "seconds": 20.0, "pictures": 600, "pictures_per_s": 30.0, "dropped": 7,
                    "stages": [
                        {"stage": "slot", "p50_ms": 0.5, "p99_ms": 1.0},
                        {"stage": "inference", "p50_ms": 3.5, "p99_ms": 5.0},
                        {"stage": "decision", "p50_ms": 0.1, "p99_ms": 0.2}
                    ],
                    "cameras": [{
                        "camera": "pattern-1", "frames_per_s": 30.0, "frames": 607, "dropped": 7, "slow": 1,
                        "stages": []
                    }],
                    "cpu_ms_per_picture": 2.04, "peak_rss_mib": 80.0,
                    "sensors": {"most_c": 61.5, "mean_w": 8.3, "most_w": 9.0}
                }
            }"#,
        )
        .unwrap()
    }

    #[test]
    fn the_row_fits_the_table_in_the_readme() {
        let row = markdown(&bench());
        assert_eq!(
            row,
            "| a/board, 6 cores | TensorRT 10.3.0 on Orin, onnx-int8-qdq, 2 threads | 1 test | 30.0 | 300.0 | 0.5 / 1.0 | 3.5 / 5.0 | 0.1 / 0.2 | 2.0 | 8.3 | 61.5 |"
        );
        let head = README.lines().find(|line| line.starts_with("| device | engine | cameras |")).unwrap();
        assert_eq!(head.matches('|').count(), row.matches('|').count(), "{head}");
    }

    #[test]
    fn what_makes_a_figure_doubtful_is_said() {
        let text = text(&bench());
        for said in ["a cart ran meanwhile", "pattern-1: looked at too seldom", "– W on average", "61.5 °C"]
        {
            assert!(text.contains(said), "{said}:\n{text}");
        }
    }
}
