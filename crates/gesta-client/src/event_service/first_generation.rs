//! Typed calls, first generation: ids are UUIDs, and payloads say by `…_at` when it happened.

use gesta_api::{PublishRequest, Published};
use serde_json::json;
use uuid::Uuid;

use super::{EventServiceClient, now, priority};
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
        self.send(self.sample_created(sample_id, barcode, sample_type, submitter_id, lab_id)?).await
    }

    fn sample_created(
        &self,
        sample_id: Uuid,
        barcode: &str,
        sample_type: &str,
        submitter_id: Uuid,
        lab_id: Uuid,
    ) -> Result<PublishRequest, Error> {
        let payload = json!({
            "sample_id": sample_id, "barcode": barcode, "sample_type": sample_type,
            "submitter_id": submitter_id, "lab_id": lab_id, "created_at": now(),
        });
        self.request("sample.created", &payload)
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
        let request = self.request("sample.status_changed", &payload)?;
        let subject = Some(format!("sample-{sample_id}"));
        self.send(PublishRequest { subject, priority: priority(2), ..request }).await
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
        let request = self.request("storage.temperature_alert", &payload)?;
        let subject = Some(format!("location-{location_id}"));
        self.send(PublishRequest { subject, priority: priority(1), ..request }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_created_as_the_first_generation_says() {
        let events = EventServiceClient::new("http://127.0.0.1:1/", "lab").expect("a url");
        let id = Uuid::from_u128(7);
        let request = events.sample_created(id, "SAM-20240618-001", "DNA", id, id).expect("a request");
        let payload: serde_json::Value = serde_json::from_str(request.payload.get()).expect("JSON");
        let mut keys: Vec<_> = payload.as_object().expect("an object").keys().cloned().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["barcode", "created_at", "lab_id", "sample_id", "sample_type", "submitter_id"]);
        assert_eq!((request.subject, request.priority), (None, None));
        assert_eq!((request.event_type.as_str(), request.source_service.as_str()), ("sample.created", "lab"));
    }
}
