//! Servers as processes of one log: each on a thread of its own, so that one can be killed, or stand still.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, header},
};
use gesta::{ProcessorOptions, Processors};
use gesta_core::{EventHandler, Filter, HandlerError, RecordedEvent, SystemClock, Tenant};
use gesta_server::{Backend, Config, Server};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::sync::mpsc as orders;

use crate::support::listener;

/// Longest wait of any test for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// So long a takeover takes.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// What the handlers of all processes were handed, by process.
pub(crate) type Handed = Arc<Mutex<Vec<(&'static str, u64)>>>;

/// Makes the store of a process.
pub(crate) type Open = Arc<dyn Fn() -> futures_util::future::BoxFuture<'static, Backend> + Send + Sync>;

/// A server that is a process of its own, as far as the others can tell.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    orders: orders::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Stop,
    Die,
    StandStill(mpsc::Receiver<()>),
}

/// A process that stands still, until dropped.
pub(crate) struct Still(mpsc::Sender<()>);

struct Recorder(&'static str, Handed);

#[async_trait]
impl EventHandler for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        let handed = events.iter().map(|event| (self.0, event.position.get()));
        self.1.lock().expect("no holder panics").extend(handed);
        Ok(())
    }
}

impl Process {
    /// Starts a server that runs a processor called `recorder`.
    pub(crate) fn start(name: &'static str, open: &Open, handed: &Handed, roles: &str) -> Self {
        let (open, handed, roles) = (Arc::clone(open), Arc::clone(handed), roles.to_owned());
        let (orders, mut received) = orders::unbounded_channel();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            // One thread, so that a task that blocks it stands for a process that is not scheduled.
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let variable = |name: &str| (name == "GESTA_ROLES").then(|| roles.clone());
                let mut config = Config::from_environment(variable).expect("legal");
                (config.lease, config.request_log) = (LEASE, false);
                let listener = listener().await;
                let bound = listener.local_addr().expect("bound");
                let backend = open().await.listening(&config, bound);
                let clock = Arc::new(SystemClock);
                let processors =
                    Processors::new(backend.store(), backend.checkpoints(), clock, backend.owner());
                let options =
                    ProcessorOptions { lease: LEASE, flush: Duration::ZERO, ..ProcessorOptions::default() };
                processors.add_handler(Arc::new(Recorder(name, handed)), options).await.expect("added");
                let processors = Arc::new(processors);
                let server = Server::new(backend, config).with_processors(Arc::clone(&processors));
                let running = server.start_on(listener).await.expect("starts");
                tell.send(bound).expect("somebody waits");
                loop {
                    match received.recv().await {
                        Some(Order::StandStill(until)) => drop(until.recv()),
                        Some(Order::Stop) => return running.stop().await.expect("a good end"),
                        Some(Order::Die) | None => {
                            // What is dropped would let go of its leases.
                            std::mem::forget((running, processors));
                            return;
                        }
                    }
                }
            });
            runtime.shutdown_background();
        });
        let address = told.recv_timeout(PATIENCE).expect("it starts");
        Self { address, orders, thread: Some(thread) }
    }

    /// Ends in good order.
    pub(crate) fn stop(mut self) {
        self.end(Order::Stop);
    }

    /// Ends without a word.
    pub(crate) fn kill(mut self) {
        self.end(Order::Die);
    }

    fn end(&mut self, order: Order) {
        if let Some(thread) = self.thread.take() {
            let _ = self.orders.send(order);
            thread.join().expect("no panic");
        }
    }

    /// Stands still until what is answered is dropped.
    pub(crate) fn stand_still(&self) -> Still {
        let (go_on, until) = mpsc::channel();
        self.orders.send(Order::StandStill(until)).expect("it runs");
        Still(go_on)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, &[], body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], String::new()).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let response = self.respond(method, path, headers, body).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()));
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn respond(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> hyper::Response<hyper::body::Incoming> {
        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body));
        let asked = client.request(request.expect("a request"));
        let answered = tokio::time::timeout(PATIENCE, asked).await.expect("it answers in time");
        answered.expect("it answers")
    }

    /// The same request until it is answered well; what is told meanwhile has to be to come back.
    pub(crate) async fn until_answered(&self, path: &str, body: &Value) -> (Value, Vec<Answer>) {
        let (answer, refusals) = self.until(path, body).await;
        (answer.ok(), refusals)
    }

    /// The same request until the answer is another one than to come back.
    pub(crate) async fn until_settled(&self, path: &str, body: &Value) -> Answer {
        self.until(path, body).await.0
    }

    async fn until(&self, path: &str, body: &Value) -> (Answer, Vec<Answer>) {
        let (began, mut refusals) = (Instant::now(), Vec::new());
        loop {
            let answer = self.post(path, body).await;
            if answer.status != 503 {
                return (answer, refusals);
            }
            assert!(answer.headers.contains_key(header::RETRY_AFTER), "{answer:?}");
            assert!(began.elapsed() < PATIENCE, "{answer:?}");
            refusals.push(answer);
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(Order::Stop);
    }
}

impl Still {
    /// It goes on.
    pub(crate) fn go_on(self) {
        let _ = self.0.send(());
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// Refused with this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, &self.body["code"]), (status, &Value::from(code)), "{self:?}");
        self.body
    }
}
