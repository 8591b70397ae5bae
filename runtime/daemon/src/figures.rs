//! What telemetry and summaries report: latencies, memory, CPU time.

use std::time::Duration;

use cartvision_wire::Measure;
use cartvision_wire::telemetry::{MemoryFigures, StageFigures};
use rustix::time::{ClockId, clock_gettime};

/// Latencies kept for percentiles: the last ones, about 10 s at 30 a second.
const KEPT: usize = 300;

/// The last latencies of one stage. Full from the start: a new one replaces the oldest.
#[derive(Debug)]
pub(crate) struct Latency {
    stage: &'static str,
    last: [u32; KEPT],
    count: usize,
}

impl Latency {
    pub(crate) fn of(stage: &'static str) -> Self {
        Self { stage, last: [0; KEPT], count: 0 }
    }

    pub(crate) fn add(&mut self, took: Duration) {
        self.last[self.count % KEPT] = micros(took);
        self.count += 1;
    }

    /// Percentiles of what was kept; `None` before the first.
    pub(crate) fn figures(&self) -> Option<StageFigures> {
        let mut last = self.last;
        percentiles(self.stage, last.get_mut(..self.count.min(KEPT))?)
    }
}

/// Percentiles of these latencies, microseconds, which are sorted for it; `None` where there are none.
pub(crate) fn percentiles(stage: &str, latencies: &mut [u32]) -> Option<StageFigures> {
    latencies.sort_unstable();
    // Nearest rank.
    let percentile = |p: usize| {
        let rank = (latencies.len() * p).div_ceil(100);
        latencies.get(rank.checked_sub(1)?).map(|us| Measure::new(f64::from(*us) / 1e3))
    };
    Some(StageFigures { stage: stage.into(), p50_ms: percentile(50)?, p99_ms: percentile(99)? })
}

/// As latencies are kept: microseconds.
pub(crate) fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

/// The process's memory; zeros where `/proc` cannot be read.
pub(crate) fn memory() -> MemoryFigures {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mib = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        let kib = line.and_then(|l| l.split_ascii_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
        Measure::new(kib.unwrap_or(0.0) / 1024.0)
    };
    MemoryFigures { rss_mib: mib("VmRSS:"), peak_rss_mib: mib("VmHWM:") }
}

/// CPU time of the process so far, all threads.
pub(crate) fn cpu_time() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut latency = Latency::of("test");
        assert!(latency.figures().is_none());
        latency.add(Duration::from_millis(7));
        let one = latency.figures().unwrap();
        assert_eq!((one.p50_ms.get(), one.p99_ms.get()), (7.0, 7.0));
        for ms in 1..=1000 {
            latency.add(Duration::from_millis(ms));
        }
        // 701 to 1000 are kept.
        let last = latency.figures().unwrap();
        assert_eq!((last.p50_ms.get(), last.p99_ms.get()), (850.0, 997.0));
    }
}
