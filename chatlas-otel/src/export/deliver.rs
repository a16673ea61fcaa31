//! Delivers requests to a receiver: retries what may succeed later, splits what is too large, and
//! reports what is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};

use super::failure::{Failure, Rejected};
#[cfg(feature = "otel-grpc")]
use super::grpc::Grpc;
use super::http::Http;
use super::payload::{Payload, to_json};
use crate::losses::{Account, Delivery};
use crate::otlp::NO_LIMIT;

/// The maximum size of a request with several items, before compression. Common limits of receivers
/// are 1 MiB (nginx) and 4 MiB (gRPC).
pub(crate) const MAX_REQUEST: usize = 1_000_000;
/// A smaller request is never refused for its size without being called too large.
const MIN_REFUSED: usize = 16 * 1024;
/// The delays before the first retry and between later ones.
const MIN_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// How long exports fail before standard error states it. A program that ends sooner reports the loss
/// itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// How requests are sent.
#[derive(Debug)]
pub(super) enum Transport {
    Http(Http),
    #[cfg(feature = "otel-grpc")]
    Grpc(Grpc),
}

/// Delivers the requests of one signal to one receiver.
#[derive(Debug)]
pub(crate) struct Courier {
    transport: Transport,
    /// The maximum duration of a request with its retries.
    timeout: Duration,
    /// The maximum size of a request: decreased when the receiver refuses one.
    max_request: AtomicUsize,
    account: Arc<Account>,
}

impl Courier {
    pub(super) fn new(transport: Transport, timeout: Duration, account: &Arc<Account>) -> Self {
        Self {
            transport,
            timeout,
            max_request: AtomicUsize::new(MAX_REQUEST),
            account: Arc::clone(account),
        }
    }

    /// Delivers a batch within a timeout, as one request or several.
    pub(crate) async fn deliver<P: Payload>(&self, batch: P, timeout: Duration) -> Delivery {
        let end = deadline(timeout);
        let mut delivery = Delivery::default();
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let count = part.count() as u64;
            let result = match self.encode(&mut part) {
                Ok(body) if body.len() > self.max_request.load(Ordering::Relaxed) => {
                    if let Some(rest) = part.split_off_half() {
                        parts.extend([rest, part]);
                        continue;
                    }
                    self.send::<P>(body, end).await
                }
                Ok(body) => self.send::<P>(body, end).await,
                Err(error) => Err(Failure::Permanent { reason: error.to_string() }),
            };
            let (rejected, reason) = match result {
                Ok(None) => (0, String::new()),
                Ok(Some(rejected)) => (rejected.count.min(count), rejected.reason),
                Err(Failure::TooLarge { reason }) => match part.split_off_half() {
                    Some(rest) => {
                        parts.extend([rest, part]);
                        continue;
                    }
                    None => (count, format!("{reason}, because one item alone is too large")),
                },
                Err(Failure::MaybeTooLarge { reason }) => {
                    let is_large = part.encoded_len() > MIN_REFUSED;
                    match is_large.then(|| part.split_off_half()).flatten() {
                        Some(rest) => {
                            parts.extend([rest, part]);
                            continue;
                        }
                        None => (count, reason),
                    }
                }
                Err(Failure::Transient { reason, .. } | Failure::Permanent { reason }) => {
                    (count, reason)
                }
            };
            delivery.delivered += count - rejected;
            delivery.lost += rejected;
            if rejected > 0 {
                delivery.reason = reason;
            }
        }
        delivery
    }

    /// Reports a loss on standard error, unless the program ends soon.
    pub(super) async fn report(&self, delivery: &Delivery) {
        if delivery.lost > 0 {
            sleep(PATIENCE).await;
            self.account.report_failure();
        }
    }

    /// Encodes a request, before compression.
    fn encode<P: Payload>(&self, payload: &mut P) -> serde_json::Result<Vec<u8>> {
        if matches!(&self.transport, Transport::Http(http) if http.json) {
            to_json(payload)
        } else {
            Ok(payload.encode_to_vec())
        }
    }

    /// Sends a request until it is accepted, or until a retry is useless or too late.
    async fn send<P: Payload>(
        &self,
        body: Vec<u8>,
        end: Instant,
    ) -> Result<Option<Rejected>, Failure> {
        let size = body.len();
        let body = match &self.transport {
            Transport::Http(http) => http.compress(body),
            #[cfg(feature = "otel-grpc")]
            Transport::Grpc(_) => body,
        };
        let body = Bytes::from(body);
        let start = Instant::now();
        let end = end.min(deadline(self.timeout));
        let mut delay = MIN_DELAY;
        loop {
            let attempt = timeout_at(end, self.attempt::<P>(body.clone())).await;
            let failure = match attempt {
                Ok(Ok(rejected)) => return Ok(rejected),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    let reason = "the receiver did not answer in time".to_owned();
                    return Err(Failure::Permanent { reason });
                }
            };
            let (reason, after) = match failure {
                Failure::Transient { reason, after } => (reason, after),
                Failure::TooLarge { .. } => {
                    self.max_request.fetch_min(size / 2, Ordering::Relaxed);
                    return Err(failure);
                }
                Failure::MaybeTooLarge { .. } | Failure::Permanent { .. } => return Err(failure),
            };
            let pause = after.unwrap_or_default().max(delay).saturating_add(jitter());
            self.account.note_failure(&reason);
            if start.elapsed() >= PATIENCE {
                self.account.report_failure();
            }
            if end.saturating_duration_since(Instant::now()) <= pause {
                return Err(Failure::Permanent { reason });
            }
            sleep(pause).await;
            delay = (delay * 2).min(MAX_DELAY);
        }
    }

    async fn attempt<P: Payload>(&self, body: Bytes) -> Result<Option<Rejected>, Failure> {
        match &self.transport {
            Transport::Http(http) => http.send(body).await,
            #[cfg(feature = "otel-grpc")]
            Transport::Grpc(grpc) => grpc.send(P::METHOD, body).await,
        }
    }
}

/// Returns when a timeout that starts now ends.
fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + NO_LIMIT)
}

/// Returns a delay of at most 100 ms, so that programs which fail together do not retry together.
fn jitter() -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Duration::from_micros(u64::from(now.unwrap_or_default().subsec_nanos() % 100_000))
}
