//! Shares of broken runs, and how sure they are.

use statrs::distribution::{Beta, ContinuousCDF};

use crate::Colours;
use crate::smoothing::Smoothed;

/// A share of broken runs, with the 95 % interval around it (Jeffreys' prior; L. D. Brown, T. T. Cai, A. DasGupta, "Interval
/// estimation for a binomial proportion", 2001).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Runs that count.
    pub runs: usize,
    /// Of these, broken.
    pub broken: usize,
    /// The interval's lower end; 0 where nothing was broken.
    pub low: f64,
    /// The interval's upper end; 1 where everything was. Where nothing was broken it is the one-sided bound.
    pub high: f64,
}

impl Rate {
    fn of(runs: usize, broken: usize) -> Rate {
        let (n, x) = (runs as f64, broken as f64);
        let (mut low, mut high) = (0.0, 1.0);
        if runs > 0 && broken == 0 {
            high = 1.0 - 0.05f64.powf(1.0 / n);
        } else if runs > 0
            && let Ok(beta) = Beta::new(x + 0.5, n - x + 0.5)
        {
            low = beta.inverse_cdf(0.025);
            high = if broken == runs { 1.0 } else { beta.inverse_cdf(0.975) };
        }
        Rate { runs, broken, low, high }
    }
}

/// The shares before a change and since; without one that of all runs. `since` is a place in the history.
pub fn around(colours: &Colours, smoothed: &Smoothed, since: Option<usize>) -> (Option<Rate>, Rate) {
    let rate = |from: usize, to: usize| {
        let runs = &colours.runs[from..to];
        Rate::of(runs.len(), runs.iter().filter(|(_, broken)| *broken).count())
    };
    let end = colours.runs.len();
    let Some(since) = since else { return (None, rate(0, end)) };
    let cut = colours.places.iter().position(|place| *place >= since).unwrap_or(end);
    let earlier = smoothed.at.iter().take(cut).rposition(|at| at.change > 0.5).unwrap_or(0);
    (Some(rate(earlier, cut)), rate(cut, end))
}
