//! How long to wait after a failure.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use uuid::Uuid;

use super::ProcessorOptions;

/// Delays chosen at random between nothing and a bound that doubles up to the longest: "full jitter", so that those who
/// failed together do not come back together. It never ends.
pub(super) fn delays(options: &ProcessorOptions) -> impl Iterator<Item = Duration> + Send + use<> {
    let bounds = ExponentialBuilder::default()
        .with_min_delay(options.first_delay)
        .with_max_delay(options.longest_delay)
        .without_max_times()
        .build();
    bounds.map(|bound| bound.mul_f64(chance()))
}

/// A number of [0, 1).
fn chance() -> f64 {
    // The low 62 bits of a version 4 UUID are random; 53 of them make a float.
    let random = (Uuid::new_v4().as_u128() as u64) & ((1 << 53) - 1);
    random as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_keep_their_bounds_and_differ() {
        let options = ProcessorOptions::default();
        let many: Vec<Vec<_>> = (0..200).map(|_| delays(&options).take(12).collect()).collect();
        for at in 0..12 {
            let bound = (options.first_delay * (1 << at)).min(options.longest_delay);
            assert!(many.iter().all(|delays| delays[at] <= bound));
            assert!(many.iter().any(|delays| delays[at] < bound / 4), "some are short");
            assert!(many.iter().any(|delays| delays[at] > bound / 4 * 3), "some are long");
        }
    }
}
