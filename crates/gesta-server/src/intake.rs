//! Takes a whole body in, within its limits of size, time and memory.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
};
use bytes::{Bytes, BytesMut};
use gesta_api::Code;
use http_body_util::BodyExt;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{config::Config, problem::Failure, quota::Quota};

/// Takes whole bodies in. Handlers behind it never wait for a client.
pub(crate) struct Intake {
    quota: Arc<Quota>,
    most: usize,
    whole: Duration,
    pause: Duration,
}

impl Intake {
    /// The limits of a configuration, and the room of a quota.
    pub(crate) fn new(config: &Config, quota: Arc<Quota>) -> Self {
        let Config { max_body_bytes: most, body_timeout: whole, body_pause_timeout: pause, .. } = *config;
        Self { quota, most, whole, pause }
    }

    /// The same request with its whole body, and the room it takes. A declared length that is too much is refused
    /// before a byte is read.
    pub(crate) async fn receive(
        &self,
        request: Request,
    ) -> Result<(Request, Vec<OwnedSemaphorePermit>), Failure> {
        if request.body().is_end_stream() {
            return Ok((request, Vec::new()));
        }
        if request.body().size_hint().lower() > self.most as u64 {
            return Err(self.too_large());
        }
        let (parts, body) = request.into_parts();
        let mut room = Vec::new();
        let whole = timeout(self.whole, self.collect(body, &mut room)).await;
        let bytes = whole.unwrap_or_else(|_| Err(self.too_slow()))?;
        Ok((Request::from_parts(parts, Body::from(bytes)), room))
    }

    /// Each piece takes room before it is kept; a pause that is too long ends it.
    async fn collect(&self, mut body: Body, room: &mut Vec<OwnedSemaphorePermit>) -> Result<Bytes, Failure> {
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let Some(frame) = timeout(self.pause, body.frame()).await.map_err(|_| self.too_slow())? else {
                break;
            };
            let broken = |_| Failure::new(Code::MalformedRequest, "the body ended before it was complete");
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            let so_far = first.len() + all.len();
            if so_far + data.len() > self.most {
                return Err(self.too_large());
            }
            room.push(self.quota.body(data.len())?);
            // Most bodies come in one piece, which is then not copied.
            if so_far == 0 {
                first = data;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&std::mem::take(&mut first));
                }
                all.extend_from_slice(&data);
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    fn too_large(&self) -> Failure {
        let most = self.most;
        Failure::new(Code::BodyTooLarge, format!("the body holds more than {most} bytes: split the batch"))
    }

    fn too_slow(&self) -> Failure {
        let detail = format!("the body did not arrive within {:?}: send it faster or split it", self.whole);
        Failure::new(Code::RequestTimeout, detail)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_in_pieces_arrives_whole() {
        let config = Config::default();
        let pieces = [&b"ab"[..], b"", b"cd", b"e"];
        let pieces = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
        let request = Request::new(Body::from_stream(stream::iter(pieces)));
        let (request, room) = Intake::new(&config, Quota::new(&config)).receive(request).await.unwrap();
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "abcde");
        assert_eq!(room.len(), 4);
    }
}
