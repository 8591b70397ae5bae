//! What the sensors said over some time.

use cartvision_wire::Measure;
use cartvision_wire::bench::SensorFigures;

use crate::heat::Reading;

/// Readings so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sensed {
    most_c: Option<f64>,
    most_w: Option<f64>,
    sum_w: f64,
    times_w: u32,
}

impl Sensed {
    /// One more.
    pub(super) fn add(&mut self, reading: Reading) {
        let most = |so_far: Option<f64>, now: f64| Some(so_far.map_or(now, |so_far| so_far.max(now)));
        if let Some(celsius) = reading.celsius {
            self.most_c = most(self.most_c, celsius);
        }
        if let Some(watts) = reading.watts {
            self.most_w = most(self.most_w, watts);
            self.sum_w += watts;
            self.times_w += 1;
        }
    }

    /// What came of them.
    pub(super) fn figures(&self) -> SensorFigures {
        let mean_w = (self.times_w > 0).then(|| Measure::new(self.sum_w / f64::from(self.times_w)));
        SensorFigures { most_c: self.most_c.map(Measure::new), mean_w, most_w: self.most_w.map(Measure::new) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_that_is_not_there_says_nothing() {
        let mut sensed = Sensed::default();
        sensed.add(Reading::default());
        assert_eq!(sensed.figures(), SensorFigures::default());
        for (celsius, watts) in [(Some(50.0), Some(7.0)), (Some(61.5), None), (None, Some(10.0))] {
            sensed.add(Reading { celsius, watts });
        }
        let (most_c, mean_w, most_w) = (Measure::new(61.5), Measure::new(8.5), Measure::new(10.0));
        let expected = SensorFigures { most_c: Some(most_c), mean_w: Some(mean_w), most_w: Some(most_w) };
        assert_eq!(sensed.figures(), expected);
    }
}
