//! How spans, events and metric readings are gathered before they are sent: `OTEL_BSP_…`,
//! `OTEL_BLRP_…`, `OTEL_METRIC_EXPORT_INTERVAL`.

use std::time::Duration;

use opentelemetry_sdk::{logs, trace};

use super::SetupError;
use super::env::Env;

/// How many spans or events are sent at once: the default of the specification, and the one where
/// they carry content, of which 512 may be more than a receiver takes.
const BATCH: usize = 512;
const BATCH_WITH_CONTENT: usize = 64;
const QUEUE: usize = 2_048;
const SPAN_DELAY: Duration = Duration::from_secs(5);
const EVENT_DELAY: Duration = Duration::from_secs(1);
/// Where nobody sees to it that what is queued is sent at the end.
const SOON: Duration = Duration::from_millis(500);
const METRIC_INTERVAL: Duration = Duration::from_mins(1);

/// The settings of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) queue: usize,
    pub(super) size: usize,
    pub(super) delay: Duration,
}

/// The settings of all that is sent by and by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batching {
    pub(super) spans: Batch,
    pub(super) events: Batch,
    pub(super) metric_interval: Duration,
}

impl Batching {
    pub(super) fn of(env: Env<'_>, captures: bool, unattended: bool) -> Result<Self, SetupError> {
        let size = if captures { BATCH_WITH_CONTENT } else { BATCH };
        let delay = |usual: Duration| if unattended { usual.min(SOON) } else { usual };
        let batch = |prefix, usual| {
            let queue = env.size(&format!("{prefix}_MAX_QUEUE_SIZE"))?.unwrap_or(QUEUE);
            Ok(Batch {
                queue,
                size: env
                    .size(&format!("{prefix}_MAX_EXPORT_BATCH_SIZE"))?
                    .unwrap_or(size)
                    .min(queue),
                delay: env.millis(&format!("{prefix}_SCHEDULE_DELAY"))?.unwrap_or(delay(usual)),
            })
        };
        Ok(Self {
            spans: batch("OTEL_BSP", SPAN_DELAY)?,
            events: batch("OTEL_BLRP", EVENT_DELAY)?,
            metric_interval: env.millis("OTEL_METRIC_EXPORT_INTERVAL")?.unwrap_or(METRIC_INTERVAL),
        })
    }
}

impl Batch {
    pub(super) fn of_spans(self) -> trace::BatchConfig {
        trace::BatchConfigBuilder::default()
            .with_max_queue_size(self.queue)
            .with_max_export_batch_size(self.size)
            .with_scheduled_delay(self.delay)
            .build()
    }

    pub(super) fn of_events(self) -> logs::BatchConfig {
        logs::BatchConfigBuilder::default()
            .with_max_queue_size(self.queue)
            .with_max_export_batch_size(self.size)
            .with_scheduled_delay(self.delay)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::super::env::tests::of;
    use super::*;

    #[test]
    fn batches_are_smaller_where_they_carry_content() {
        let unset = of(&[]);
        let made = |captures| Batching::of(Env::new(&unset), captures, false).unwrap();
        assert_eq!(made(false).spans, Batch { queue: 2_048, size: 512, delay: SPAN_DELAY });
        assert_eq!(made(true).spans.size, 64);
        assert_eq!(made(true).events.size, 64);
    }

    #[test]
    fn what_the_environment_says_holds() {
        let lookup = of(&[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
        ]);
        let made = Batching::of(Env::new(&lookup), true, true).unwrap();
        let delay = Duration::from_millis(10);
        assert_eq!(made.spans, Batch { queue: 100, size: 100, delay });
        assert_eq!(made.events.size, 7);
        assert_eq!(made.metric_interval, Duration::from_secs(2));
        for name in ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BLRP_SCHEDULE_DELAY"] {
            let wrong = [(name, "-1")];
            let lookup = of(&wrong);
            let error = Batching::of(Env::new(&lookup), false, false).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
