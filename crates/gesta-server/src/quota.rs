//! How much at once: what is too much is refused before any work is done for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use gesta_api::Code;
use gesta_core::Tenant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::Config, problem::Failure};

/// Tenants whose rate is remembered; beyond that the ones with an unused quota are forgotten.
const REMEMBERED_TENANTS: usize = 10_000;

/// Counts what is in use, and refuses what would be too much.
pub(crate) struct Quota {
    requests: Arc<Semaphore>,
    body_kib: Arc<Semaphore>,
    body_kib_most: u32,
    sse_most: usize,
    sse: Mutex<HashMap<Tenant, usize>>,
    rate: u32,
    buckets: Mutex<HashMap<Tenant, Bucket>>,
}

/// What a tenant may still send within this second.
#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Why something is refused. Nothing was done; the reply says when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    /// Too many requests at once.
    #[error("the server works on as many requests as it takes at once: try again shortly")]
    Requests,
    /// Too many bytes of bodies at once.
    #[error("the server holds as many bytes of requests as it takes at once: try again shortly")]
    Bodies,
    /// Too many requests of this tenant within a second.
    #[error("the tenant sends more requests a second than it may: slow down")]
    Rate,
    /// Too many SSE clients of this tenant.
    #[error("the tenant has as many SSE clients as it may: close some, or poll")]
    SseClients,
}

impl From<Exceeded> for Failure {
    fn from(exceeded: Exceeded) -> Self {
        let code = match exceeded {
            Exceeded::Requests | Exceeded::Bodies => Code::Overloaded,
            _ => Code::TooManyRequests,
        };
        Self::new(code, exceeded.to_string())
    }
}

/// A place for one SSE client, until dropped.
#[must_use]
pub(crate) struct SsePlace {
    quota: Arc<Quota>,
    tenant: Tenant,
}

impl Quota {
    /// The limits of a configuration, nothing in use.
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let kib =
            (config.max_body_bytes_in_flight / 1024).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Arc::new(Self {
            requests: Arc::new(Semaphore::new(config.max_requests_in_flight.min(Semaphore::MAX_PERMITS))),
            body_kib: Arc::new(Semaphore::new(kib)),
            body_kib_most: u32::try_from(kib).expect("clamped to 32 bits"),
            sse_most: config.max_sse_clients,
            sse: Mutex::default(),
            rate: config.max_requests_per_second,
            buckets: Mutex::default(),
        })
    }

    /// Room for one more request, until dropped.
    pub(crate) fn request(&self) -> Result<OwnedSemaphorePermit, Exceeded> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Exceeded::Requests)
    }

    /// Room for a body of so many bytes, until dropped. One that is larger than all room there is gets all of it.
    pub(crate) fn body(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Exceeded> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.body_kib_most);
        Arc::clone(&self.body_kib).try_acquire_many_owned(kib).map_err(|_| Exceeded::Bodies)
    }

    /// A place for an SSE client of this tenant; hold it as long as the stream lives.
    pub(crate) fn sse(self: &Arc<Self>, tenant: &Tenant) -> Result<SsePlace, Exceeded> {
        let mut sse = self.places();
        let used = sse.entry(tenant.clone()).or_default();
        if *used >= self.sse_most {
            return Err(Exceeded::SseClients);
        }
        *used += 1;
        Ok(SsePlace { quota: Arc::clone(self), tenant: tenant.clone() })
    }

    /// SSE clients of all tenants.
    pub(crate) fn sse_clients(&self) -> usize {
        self.places().values().sum()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Tenant, usize>> {
        self.sse.lock().expect("no holder of the places' lock panics")
    }

    /// Counts one request of this tenant at this time.
    pub(crate) fn rate(&self, tenant: &Tenant, now: Instant) -> Result<(), Exceeded> {
        if self.rate == 0 {
            return Ok(());
        }
        let most = f64::from(self.rate);
        let mut buckets = self.buckets.lock().expect("no holder of the buckets' lock panics");
        if buckets.len() >= REMEMBERED_TENANTS {
            buckets.retain(|_, bucket| now.duration_since(bucket.at) < Duration::from_secs(1));
        }
        let bucket = buckets.entry(tenant.clone()).or_insert(Bucket { left: most, at: now });
        let refilled = now.duration_since(bucket.at).as_secs_f64() * most;
        *bucket = Bucket { left: (bucket.left + refilled).min(most), at: now };
        if bucket.left < 1.0 {
            return Err(Exceeded::Rate);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

impl Drop for SsePlace {
    fn drop(&mut self) {
        let mut sse = self.quota.places();
        if let Some(used) = sse.get_mut(&self.tenant) {
            *used -= 1;
            if *used == 0 {
                sse.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota() -> Arc<Quota> {
        Quota::new(&Config {
            max_requests_in_flight: 2,
            max_body_bytes_in_flight: 4096,
            max_requests_per_second: 3,
            max_sse_clients: 1,
            ..Config::default()
        })
    }

    #[test]
    fn bodies_share_one_room() {
        let quota = quota();
        let half = quota.body(2000).unwrap();
        assert!(matches!(quota.body(3000), Err(Exceeded::Bodies)));
        drop(half);
        assert!(quota.body(1 << 40).is_ok());
    }

    #[test]
    fn a_rate_fills_up_again_with_time() {
        let (quota, tenant, start) = (quota(), Tenant::default(), Instant::now());
        for _ in 0..3 {
            assert!(quota.rate(&tenant, start).is_ok());
        }
        assert_eq!(quota.rate(&tenant, start), Err(Exceeded::Rate));
        let later = start + Duration::from_millis(400);
        assert!(quota.rate(&tenant, later).is_ok());
        assert_eq!(quota.rate(&tenant, later), Err(Exceeded::Rate));
    }
}
