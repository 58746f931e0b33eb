//! Typed calls, second generation: ids are texts, payloads say `timestamp` and take free JSON.

use gesta_api::Published;
use gesta_core::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{EventServiceClient, now};
use crate::Error;

impl EventServiceClient {
    /// Publishes `sample.created` with a payload of the caller's: subject `sample-<id>`, priority 2.
    pub async fn publish_sample_created_v2(
        &self,
        sample_id: &str,
        sample: &impl Serialize,
    ) -> Result<Published, Error> {
        self.about("sample.created", sample, format!("sample-{sample_id}"), 2).await
    }

    /// Publishes `sample.status_changed`: subject `sample-<id>`, priority 2; the payload adds `timestamp`, and
    /// `metadata` is null when there is none.
    pub async fn publish_sample_status_changed_v2(
        &self,
        sample_id: &str,
        old_status: &str,
        new_status: &str,
        metadata: Option<Value>,
    ) -> Result<Published, Error> {
        let payload = json!({
            "sample_id": sample_id, "old_status": old_status, "new_status": new_status,
            "metadata": metadata, "timestamp": now(),
        });
        self.about("sample.status_changed", &payload, format!("sample-{sample_id}"), 2).await
    }

    /// Publishes `auth.user_logged_in`: subject `user-<id>`, priority 3; `source_ip` is `unknown`.
    pub async fn publish_user_logged_in_v2(
        &self,
        user_id: &str,
        username: &str,
        login_time: Timestamp,
    ) -> Result<Published, Error> {
        let payload = json!({
            "user_id": user_id, "username": username, "login_time": login_time, "source_ip": "unknown",
        });
        self.about("auth.user_logged_in", &payload, format!("user-{user_id}"), 3).await
    }

    /// Publishes `storage.temperature_alert`: subject `storage-<location>`, priority 1; the payload adds
    /// `timestamp`.
    pub async fn publish_temperature_alert_v2(
        &self,
        storage_location: &str,
        current_temperature: f64,
        threshold: f64,
        alert_level: &str,
    ) -> Result<Published, Error> {
        let payload = json!({
            "location": storage_location, "current_temperature": current_temperature,
            "threshold": threshold, "alert_level": alert_level, "timestamp": now(),
        });
        self.about("storage.temperature_alert", &payload, format!("storage-{storage_location}"), 1).await
    }
}
