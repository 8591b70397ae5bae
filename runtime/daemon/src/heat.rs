//! Temperature and power: what the sensors say, and how far the cart slows down so that the hardware need not.
//!
//! A Jetson throttles above about 87 °C, and then at a moment of its own choosing. The cart looks at fewer pictures
//! before that: one step of [`RATES`] down for every [`STEP`] in which it is too hot or takes too much power, and one
//! step up for every one in which it is well below. What is left to decide by is never too little to decide at all
//! ([`cartvision_core::Settings::slowest`]); where that is not enough either, the cart says so.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use cartvision_core::Span;
use cartvision_pipelines::Rate;

use crate::facts::Fact;
use crate::failure::Failure;

/// How often a cart reads the sensors.
pub(crate) const EVERY: Duration = Duration::from_secs(2);
/// How long a step is given to show in the temperature.
const STEP: Duration = Duration::from_secs(10);
/// Pictures a second of each camera, from step to step; the first is "as they come".
const RATES: [Option<u32>; 4] = [None, Some(15), Some(10), Some(7)];
/// Cooler than the limit by this, and below it in power by this share, is well below.
const COOLER_C: f64 = 5.0;
const LESS: f64 = 0.9;

/// What the sensors say; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// The hottest of the kernel's thermal zones, degrees Celsius.
    pub(crate) celsius: Option<f64>,
    /// What the whole board takes, watts: the input rail of a Jetson's INA3221.
    pub(crate) watts: Option<f64>,
}

/// Where the sensors' files are: `/sys`, or a stand-in.
#[derive(Clone, Debug)]
pub(crate) struct Sensors(PathBuf);

impl Sensors {
    pub(crate) fn below(sysfs: &Path) -> Self {
        Self(sysfs.to_owned())
    }

    pub(crate) fn read(&self) -> Reading {
        Reading { celsius: self.celsius(), watts: self.watts() }
    }

    fn celsius(&self) -> Option<f64> {
        let zones = fs::read_dir(self.0.join("class/thermal")).ok()?;
        // Cooling devices lie there too, and have no temperature; a Jetson's PMIC says 100 °C whatever it has.
        let real = |zone: &fs::DirEntry| {
            fs::read_to_string(zone.path().join("type")).map_or(true, |name| !name.starts_with("PMIC"))
        };
        let zones = zones.flatten().filter(real);
        let millidegrees = zones.filter_map(|zone| number(&zone.path().join("temp")));
        millidegrees.reduce(f64::max).map(|t| t / 1e3)
    }

    fn watts(&self) -> Option<f64> {
        let monitors = fs::read_dir(self.0.join("class/hwmon")).ok()?;
        monitors.flatten().find_map(|monitor| {
            let monitor = monitor.path();
            if fs::read_to_string(monitor.join("name")).ok()?.trim() != "ina3221" {
                return None;
            }
            (1..=3).find_map(|channel| {
                let label = fs::read_to_string(monitor.join(format!("in{channel}_label"))).ok()?;
                // The rail before all others, as Orin names it.
                if label.trim() != "VDD_IN" {
                    return None;
                }
                let millivolts = number(&monitor.join(format!("in{channel}_input")))?;
                let milliamperes = number(&monitor.join(format!("curr{channel}_input")))?;
                Some(millivolts * milliamperes / 1e6)
            })
        })
    }

    /// Reads them so often, for as long as somebody wants to know. A board answers slowly: not on the loop's thread.
    pub(crate) fn watch(self, every: Duration, facts: SyncSender<Fact>) -> Result<(), Failure> {
        thread::Builder::new()
            .name("sensors".into())
            .spawn(move || {
                while facts.send(Fact::Sensed(self.read())).is_ok() {
                    thread::sleep(every);
                }
            })
            .map(drop)
            .map_err(|e| Failure::environment(format_args!("cannot start a thread: {e}")))
    }
}

fn number(file: &Path) -> Option<f64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// From where on it is too much.
/// `None`: as much as it likes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    pub(crate) celsius: Option<f64>,
    pub(crate) watts: Option<f64>,
}

/// How far the cart has slowed down.
#[derive(Debug)]
pub(crate) struct Brake {
    limits: Limits,
    /// The place in [`RATES`].
    step: usize,
    /// When it may move again.
    settled_at: Option<Instant>,
    /// It is too much even on the last step, or has been and is not well below yet.
    helpless: bool,
    /// The last that each sensor said.
    before: Reading,
    times: u64,
}

impl Brake {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, step: 0, settled_at: None, helpless: false, before: Reading::default(), times: 0 }
    }

    /// What the sensors said at `now`; whether the rate changes.
    pub(crate) fn feel(&mut self, now: Instant, reading: Reading) -> bool {
        let celsius = self.limits.celsius.unwrap_or(f64::INFINITY);
        let watts = self.limits.watts.unwrap_or(f64::INFINITY);
        let over = |value: Option<f64>, limit: f64| value.is_some_and(|value| value >= limit);
        let too_much = over(reading.celsius, celsius) || over(reading.watts, watts);
        // A sensor that falls silent says nothing of having cooled down.
        let silent =
            (self.limits.celsius.is_some() && reading.celsius.is_none() && self.before.celsius.is_some())
                || (self.limits.watts.is_some() && reading.watts.is_none() && self.before.watts.is_some());
        let near = over(reading.celsius, celsius - COOLER_C) || over(reading.watts, watts * LESS) || silent;
        self.before.celsius = reading.celsius.or(self.before.celsius);
        self.before.watts = reading.watts.or(self.before.watts);
        let last = self.step + 1 == RATES.len() && self.is_settled(now);
        self.helpless = near && (self.helpless || too_much && last);
        let to = match (too_much, near) {
            (true, _) => (self.step + 1).min(RATES.len() - 1),
            (false, true) => self.step,
            (false, false) => self.step.saturating_sub(1),
        };
        if to == self.step || !self.is_settled(now) {
            return false;
        }
        self.times += u64::from(to > self.step);
        self.step = to;
        self.settled_at = Some(now + STEP);
        true
    }

    fn is_settled(&self, now: Instant) -> bool {
        self.settled_at.is_none_or(|at| now >= at)
    }

    /// Pictures a second of each camera, at most; `slowest` apart they are still decided by.
    pub(crate) fn rate(&self, slowest: Span) -> Option<Rate> {
        // Above the least by a quarter: at the edge, a picture that comes late would be too late.
        let least = if slowest > Span::ZERO { 1_250_000_000_u64.div_ceil(slowest.ns) } else { 0 };
        let least = u32::try_from(least).unwrap_or(u32::MAX);
        RATES.get(self.step).copied().flatten().and_then(|rate| NonZeroU32::new(rate.max(least))).map(Rate)
    }

    /// Whether it is still too much, and nothing is left to be done.
    pub(crate) fn is_helpless(&self) -> bool {
        self.helpless
    }

    /// How often the rate was lowered.
    pub(crate) fn times(&self) -> u64 {
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOWEST: Span = Span::from_ms(200);

    fn rate(brake: &Brake) -> Option<u32> {
        brake.rate(SLOWEST).map(|Rate(rate)| rate.get())
    }

    fn hot(celsius: f64) -> Reading {
        Reading { celsius: Some(celsius), watts: None }
    }

    /// Feels one reading every two seconds; the rates that it goes through.
    fn rates(brake: &mut Brake, from: Instant, readings: &[(usize, Reading)]) -> Vec<Option<u32>> {
        let all = readings.iter().flat_map(|(times, reading)| std::iter::repeat_n(*reading, *times));
        let mut seen = vec![];
        for (n, reading) in (0..).zip(all) {
            if brake.feel(from + EVERY * n, reading) {
                seen.push(rate(brake));
            }
        }
        seen
    }

    #[test]
    fn step_by_step_down_and_up() {
        let mut brake = Brake::new(Limits { celsius: Some(80.0), watts: None });
        let began = Instant::now();
        assert_eq!(rates(&mut brake, began, &[(5, hot(79.9))]), []);
        let later = began + Duration::from_secs(60);
        let seen = rates(&mut brake, later, &[(20, hot(81.0))]);
        assert_eq!(seen, [Some(15), Some(10), Some(7)]);
        assert!(brake.is_helpless());
        let later = later + Duration::from_secs(60);
        assert_eq!(rates(&mut brake, later, &[(20, hot(77.0))]), [], "between: as it is");
        assert!(brake.is_helpless(), "not well below");
        assert_eq!(
            rates(&mut brake, later, &[(20, Reading::default())]),
            [],
            "a silent sensor is not a cool one"
        );
        let later = later + Duration::from_secs(60);
        assert_eq!(rates(&mut brake, later, &[(20, hot(60.0))]), [Some(10), Some(15), None]);
        assert!(!brake.is_helpless());
        assert_eq!(brake.times(), 3);
    }

    #[test]
    fn power_is_a_limit_too_and_no_sensor_is_none() {
        let mut brake = Brake::new(Limits { celsius: Some(80.0), watts: Some(10.0) });
        let began = Instant::now();
        let reading = Reading { celsius: Some(50.0), watts: Some(10.5) };
        assert_eq!(rates(&mut brake, began, &[(1, reading)]), [Some(15)]);
        let mut brake = Brake::new(Limits { celsius: Some(80.0), watts: Some(10.0) });
        assert_eq!(rates(&mut brake, began, &[(9, Reading::default())]), []);
    }

    #[test]
    fn the_rate_stays_one_to_decide_by() {
        let mut brake = Brake::new(Limits { celsius: Some(80.0), watts: None });
        rates(&mut brake, Instant::now(), &[(20, hot(90.0))]);
        let rate = |slowest| brake.rate(Span::from_ms(slowest)).map(|Rate(rate)| rate.get());
        assert_eq!((rate(200), rate(100), rate(0)), (Some(7), Some(13), Some(7)));
    }

    #[test]
    fn sensors_are_files() {
        let sysfs = tempfile::tempdir().unwrap();
        let sensors = Sensors::below(sysfs.path());
        assert_eq!(sensors.read(), Reading::default());
        let write = |file: &str, text: &str| {
            let file = sysfs.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("class/thermal/cooling_device0/type", "fan\n");
        write("class/thermal/thermal_zone0/temp", "51500\n");
        write("class/thermal/thermal_zone1/temp", "62250\n");
        write("class/thermal/thermal_zone2/temp", "nonsense\n");
        write("class/thermal/thermal_zone3/type", "PMIC-Die\n");
        write("class/thermal/thermal_zone3/temp", "100000\n");
        write("class/hwmon/hwmon0/name", "nvme\n");
        write("class/hwmon/hwmon1/name", "ina3221\n");
        for (channel, label, volts, amperes) in [(1, "VDD_IN", 5000, 1600), (2, "VDD_CPU_GPU_CV", 5000, 900)]
        {
            write(&format!("class/hwmon/hwmon1/in{channel}_label"), label);
            write(&format!("class/hwmon/hwmon1/in{channel}_input"), &volts.to_string());
            write(&format!("class/hwmon/hwmon1/curr{channel}_input"), &amperes.to_string());
        }
        assert_eq!(sensors.read(), Reading { celsius: Some(62.25), watts: Some(8.0) });
    }
}
