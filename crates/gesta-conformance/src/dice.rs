//! Random choices that a run number fixes.

/// A small generator (SplitMix64): the same run number makes the same choices on every machine and release.
///
/// ```
/// use gesta_conformance::Dice;
/// let throws = |run| { let mut dice = Dice::of(run); [dice.below(6), dice.below(6), dice.below(6)] };
/// assert_eq!(throws(1), throws(1));
/// assert!(throws(2).iter().all(|eyes| *eyes < 6));
/// ```
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The choices of this run.
    pub fn of(run: u64) -> Self {
        Self(run.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6a09_e667_f3bc_c909)
    }

    /// Another generator, so that one thread's choices do not depend on another's pace.
    pub fn split(&mut self) -> Self {
        Self(self.number())
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.number() % bound }
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Whether something that happens `times` in `of` happens now.
    pub fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// One of these; there must be one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).expect("below a length")]
    }

    /// An id that belongs to this run.
    pub fn id(&mut self) -> uuid::Uuid {
        uuid::Builder::from_random_bytes(
            (u128::from(self.number()) << 64 | u128::from(self.number())).to_be_bytes(),
        )
        .into_uuid()
    }
}
