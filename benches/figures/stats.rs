//! Medians, ratios and the Markdown table.

use std::fmt::Write as _;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// One line of the table.
pub struct Row {
    figure: String,
    measured: String,
    floor: String,
    ratio: String,
    goal: String,
}

impl Row {
    pub fn new(figure: &str, measured: impl Into<String>, floor: impl Into<String>, goal: &str) -> Self {
        Self {
            figure: figure.into(),
            measured: measured.into(),
            floor: floor.into(),
            ratio: "–".into(),
            goal: goal.into(),
        }
    }

    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = format!("{ratio:.2}");
        self
    }

    /// A figure that could not be taken here.
    pub fn missing(figure: &str, why: &str) -> Self {
        Self::new(figure, format!("not measured: {}", why.replace('\n', " ")), "–", "–")
    }
}

pub fn table(rows: &[Row]) -> String {
    let mut out = String::from("| figure | measured | floor | ratio | goal |\n|---|---|---|---|---|\n");
    for r in rows {
        let _ = writeln!(out, "| {} | {} | {} | {} | {} |", r.figure, r.measured, r.floor, r.ratio, r.goal);
    }
    out
}

/// Times of one kind, in microseconds.
#[derive(Default, Clone)]
pub struct Times(Vec<f64>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e6);
    }

    /// A number that is no time.
    pub fn add_value(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * q).round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Times(values.into_iter().collect()).median()
}

/// Product and floor in turn; the ratio is the median of the rounds' ratios, so that a slow spell hits both.
#[derive(Default)]
pub struct Pair {
    pub product: Times,
    pub floor: Times,
    ratios: Vec<f64>,
}

impl Pair {
    pub fn round(&mut self, product: &Times, floor: &Times) {
        self.ratios.push(product.median() / floor.median());
        self.product.extend(product);
        self.floor.extend(floor);
    }

    /// A round of one number each.
    pub fn round_of(&mut self, product: f64, floor: f64) {
        self.round(&Times(vec![product]), &Times(vec![floor]));
    }

    pub fn ratio(&self) -> f64 {
        median(self.ratios.iter().copied())
    }

    /// Both medians in this unit.
    pub fn row(&self, figure: &str, goal: &str) -> Row {
        self.row_in(figure, goal, |t| if t < 10.0 { format!("{t:.2} µs") } else { format!("{t:.0} µs") })
    }

    /// Both medians as `show` writes them.
    pub fn row_in(&self, figure: &str, goal: &str, show: impl Fn(f64) -> String) -> Row {
        Row::new(figure, show(self.product.median()), show(self.floor.median()), goal).ratio(self.ratio())
    }
}

/// Processor time of `rounds` rounds of `times` calls each, as one number per round: others on the machine do not count.
pub fn in_turn<A, B>(rounds: u32, times: u32, mut product: impl FnMut() -> A, mut floor: impl FnMut() -> B) -> Pair {
    let mut pair = Pair::default();
    for _ in 0..rounds {
        // The average of many short calls: finer than Duration.
        let each = |work: &mut dyn FnMut()| {
            let begin = worked();
            for _ in 0..times {
                work();
            }
            (worked() - begin) / f64::from(times)
        };
        let a = each(&mut || drop(std::hint::black_box(product())));
        let b = each(&mut || drop(std::hint::black_box(floor())));
        pair.round_of(a, b);
    }
    pair
}

/// Processor time of this thread, in microseconds.
fn worked() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
    time.as_secs_f64() * 1e6
}
