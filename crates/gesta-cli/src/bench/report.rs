//! What a run has measured.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::output::number;

/// What a run has measured, with the conditions it ran under.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) server: String,
    pub(crate) route: &'static str,
    /// `closed`: each connection sends when its last answer is there. `fixed_rate`: at its time, come what may.
    pub(crate) mode: &'static str,
    pub(crate) connections: usize,
    pub(crate) requested_rate: Option<f64>,
    pub(crate) events_per_request: usize,
    pub(crate) payload_bytes: usize,
    pub(crate) durability: &'static str,
    pub(crate) streams: u32,
    pub(crate) warm_up_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) events: u64,
    pub(crate) failed: BTreeMap<String, u64>,
    pub(crate) unanswered: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) events_per_second: f64,
    /// From when a request was due: waiting for a busy connection counts, so nothing slow is left out.
    pub(crate) latency_ms: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_to_end_ms: Option<Percentiles>,
    pub(crate) generator_threads: usize,
    pub(crate) generator_cpu_seconds: f64,
}

/// Percentiles in milliseconds, of so many.
#[derive(Debug, Serialize)]
pub(crate) struct Percentiles {
    of: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    p99_99: f64,
    max: f64,
}

impl From<&Histogram<u64>> for Percentiles {
    fn from(micros: &Histogram<u64>) -> Self {
        let at = |quantile| thousandth(micros.value_at_quantile(quantile));
        Self {
            of: micros.len(),
            mean: (micros.mean()).round() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: thousandth(micros.max()),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of minutes fit")]
fn thousandth(micros: u64) -> f64 {
    micros as f64 / 1e3
}

impl Report {
    /// The report, for people.
    pub(crate) fn text(&self) -> String {
        let rate = self.requested_rate.map_or_else(String::new, |rate| format!(" at {rate} requests/s"));
        let mut text = format!(
            "{} · {} · {} connections{rate} · {} events/request · {} B · {}\n{} requests/s, {} events/s over {} s",
            self.route,
            self.mode,
            number(self.connections as u64),
            self.events_per_request,
            self.payload_bytes,
            self.durability,
            rounded(self.requests_per_second),
            rounded(self.events_per_second),
            self.seconds,
        );
        text += &format!("\nlatency     {}", line(&self.latency_ms));
        if let Some(end_to_end) = &self.end_to_end_ms {
            text += &format!("\nend to end  {}", line(end_to_end));
        }
        if self.unanswered > 0 {
            text += &format!("\nunanswered  {}", number(self.unanswered));
        }
        for (what, count) in &self.failed {
            text += &format!("\nfailed      {what}: {}", number(*count));
        }
        text + &format!(
            "\ngenerator   {:.1} s of CPU on {} threads",
            self.generator_cpu_seconds, self.generator_threads
        )
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small and positive")]
fn rounded(rate: f64) -> String {
    number(rate.round() as u64)
}

fn line(p: &Percentiles) -> String {
    format!(
        "p50 {:.2} · p90 {:.2} · p99 {:.2} · p99.9 {:.2} · p99.99 {:.2} · max {:.2} ms (of {})",
        p.p50,
        p.p90,
        p.p99,
        p.p99_9,
        p.p99_99,
        p.max,
        number(p.of)
    )
}

/// Seconds of CPU this process has used; 0 where the system does not tell.
pub(crate) fn cpu_seconds() -> f64 {
    /// What Linux counts in, on every platform it runs on today.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold anything; what follows is plain.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_A_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_this_process_used_is_known() {
        let before = cpu_seconds();
        let mut n = 1u64;
        while cpu_seconds() < before + 0.02 {
            n = std::hint::black_box(n.wrapping_mul(31));
        }
        assert!(cpu_seconds() > before);
    }
}
