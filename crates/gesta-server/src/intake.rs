//! Takes a whole body in, within its limits of size, time and memory.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
};
use bytes::{Bytes, BytesMut};
use gesta_api::Code;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::{
    config::Config,
    problem::Failure,
    quota::{BodyRoom, Quota},
};

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
    pub(crate) async fn receive(&self, request: Request) -> Result<(Request, Vec<BodyRoom>), Failure> {
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
    async fn collect(&self, mut body: Body, room: &mut Vec<BodyRoom>) -> Result<Bytes, Failure> {
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
    use futures_util::{StreamExt, stream};

    use super::*;

    fn intake(most: usize, room: usize) -> Intake {
        let config = Config { max_body_bytes: most, max_body_bytes_in_flight: room, ..Config::default() };
        Intake::new(&config, Quota::new(&config))
    }

    fn request(pieces: Vec<&'static [u8]>) -> Request {
        let pieces = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
        Request::new(Body::from_stream(stream::iter(pieces)))
    }

    #[tokio::test]
    async fn a_body_in_pieces_arrives_whole() {
        let (request, room) =
            intake(100, 4096).receive(request(vec![b"ab", b"", b"cd", b"e"])).await.unwrap();
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "abcde");
        assert_eq!(room.len(), 4);
    }

    #[tokio::test]
    async fn a_body_too_large_is_refused_while_it_comes() {
        let refusal = intake(4, 4096).receive(request(vec![b"abc", b"de"])).await.unwrap_err();
        assert_eq!(refusal.status(), 413);
        let declared = Request::new(Body::from("abcde"));
        assert_eq!(intake(4, 4096).receive(declared).await.unwrap_err().status(), 413);
    }

    #[tokio::test]
    async fn bodies_beyond_the_room_are_refused_for_now() {
        let intake = intake(100, 1024);
        let held = intake.receive(request(vec![b"a"])).await.unwrap();
        let refusal = intake.receive(request(vec![b"b"])).await.unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.seconds()), (503, Some(1)));
        drop(held);
        assert!(intake.receive(request(vec![b"c"])).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_or_dribbles_is_given_up() {
        let stopped = stream::once(async { Ok::<_, std::io::Error>("a") }).chain(stream::pending());
        let refusal = intake(100, 4096).receive(Request::new(Body::from_stream(stopped))).await.unwrap_err();
        assert_eq!(refusal.status(), 408);

        let start = tokio::time::Instant::now();
        let dribble = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>("a"), ()))
        });
        let refusal =
            intake(100, 4096 * 100).receive(Request::new(Body::from_stream(dribble))).await.unwrap_err();
        assert_eq!(refusal.status(), 408);
        assert!(start.elapsed() <= Duration::from_secs(31));
    }
}
