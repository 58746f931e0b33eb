//! Typed calls, first generation: ids are UUIDs, and payloads say by `…_at` when it happened.

use gesta_api::Published;
use serde_json::json;
use uuid::Uuid;

use super::{EventServiceClient, now};
use crate::Error;

impl EventServiceClient {
    /// Publishes `sample.created`: no subject, no priority; the payload adds `created_at`.
    pub async fn publish_sample_created(
        &self,
        sample_id: Uuid,
        barcode: &str,
        sample_type: &str,
        submitter_id: Uuid,
        lab_id: Uuid,
    ) -> Result<Published, Error> {
        let payload = json!({
            "sample_id": sample_id, "barcode": barcode, "sample_type": sample_type,
            "submitter_id": submitter_id, "lab_id": lab_id, "created_at": now(),
        });
        self.publish("sample.created", &payload).await
    }

    /// Publishes `sample.status_changed`: subject `sample-<id>`, priority 2; the payload adds `changed_at`.
    pub async fn publish_sample_status_changed(
        &self,
        sample_id: Uuid,
        barcode: &str,
        old_status: &str,
        new_status: &str,
        changed_by: Uuid,
    ) -> Result<Published, Error> {
        let payload = json!({
            "sample_id": sample_id, "barcode": barcode, "old_status": old_status,
            "new_status": new_status, "changed_by": changed_by, "changed_at": now(),
        });
        self.about("sample.status_changed", &payload, format!("sample-{sample_id}"), 2).await
    }

    /// Publishes `auth.user_logged_in`: no subject, no priority; the payload adds `login_at`.
    pub async fn publish_user_logged_in(
        &self,
        user_id: Uuid,
        username: &str,
        session_id: &str,
        ip_address: Option<&str>,
    ) -> Result<Published, Error> {
        let payload = json!({
            "user_id": user_id, "username": username, "session_id": session_id,
            "ip_address": ip_address, "login_at": now(),
        });
        self.publish("auth.user_logged_in", &payload).await
    }

    /// Publishes `storage.temperature_alert`: subject `location-<id>`, priority 1; the payload adds `alert_at`.
    pub async fn publish_temperature_alert(
        &self,
        location_id: Uuid,
        zone_name: &str,
        current_temperature: f64,
        target_temperature: f64,
        sensor_id: &str,
    ) -> Result<Published, Error> {
        let payload = json!({
            "location_id": location_id, "zone_name": zone_name,
            "current_temperature": current_temperature, "target_temperature": target_temperature,
            "sensor_id": sensor_id, "alert_at": now(),
        });
        self.about("storage.temperature_alert", &payload, format!("location-{location_id}"), 1).await
    }
}
