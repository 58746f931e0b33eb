//! The events of every measurement: 300 B of data, 100 B of metadata, 100,000 streams of which few are busy.

use uuid::Uuid;

const STREAMS: f64 = 100_000.0;

/// Makes events, and says where they go.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    state: u64,
}

impl Workload {
    /// A workload of its own for each connection.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// xorshift64*: fast, and good enough to choose streams with.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A stream: half of all events go to 1 % of them.
    pub(crate) fn stream(&mut self) -> u64 {
        let share = (self.random() >> 11) as f64 / (1_u64 << 53) as f64;
        (share.powf(6.64) * STREAMS) as u64
    }

    /// An id, made by the client as every client should.
    pub(crate) fn id() -> Uuid {
        Uuid::now_v7()
    }

    /// The data of an event, with the time it was meant to be sent at, in nanoseconds.
    pub(crate) fn data(&mut self, stream: u64, sent_at: u64) -> String {
        let [a, b, c, d] = [self.random(), self.random(), self.random(), self.random()];
        format!(
            "{{\"sent_at\":{sent_at},\"sample_id\":\"sample-{stream}\",\"barcode\":\"SAM-20240618-{a:016x}\",\
             \"sample_type\":\"DNA\",\"volume_ml\":1.5,\"location\":\"freezer-{b:016x}\",\"submitter\":\"{c:016x}\",\
             \"note\":\"received in good order, label readable, seal intact, chain of custody complete {d:016x}\"}}"
        )
    }

    /// The metadata of an event.
    pub(crate) fn metadata() -> &'static str {
        r#"{"lab":"north-7","operator":"o-4711","instrument":"scanner-3","protocol":"intake-2024-06-rev-b"}"#
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_size_and_the_skew_that_the_tables_claim() {
        let mut workload = Workload::new(7);
        assert!((280..=340).contains(&workload.data(99_999, u64::MAX).len()));
        assert!((90..=110).contains(&Workload::metadata().len()));
        let streams: Vec<u64> = (0..100_000).map(|_| workload.stream()).collect();
        assert!(streams.iter().all(|stream| *stream < 100_000));
        let busy = streams.iter().filter(|stream| **stream < 1_000).count();
        assert!((45_000..55_000).contains(&busy), "{busy}");
    }
}
