//! The batches in which telemetry is exported: `OTEL_BSP_…`, `OTEL_BLRP_…` and
//! `OTEL_METRIC_EXPORT_INTERVAL`.

use std::time::Duration;

use opentelemetry_sdk::{logs, trace};

use crate::env::Env;
use crate::error::SetupError;

/// The default batch size of the specification.
const BATCH_SIZE: usize = 512;
/// The default batch size with captured content, because a batch of 512 items with content may be
/// larger than a receiver accepts.
const BATCH_SIZE_WITH_CONTENT: usize = 64;
const QUEUE_SIZE: usize = 2_048;
const SPAN_DELAY: Duration = Duration::from_secs(5);
const EVENT_DELAY: Duration = Duration::from_secs(1);
/// The delay without a guard that flushes at the end of the program.
const UNATTENDED_DELAY: Duration = Duration::from_millis(500);
const METRIC_INTERVAL: Duration = Duration::new(60, 0);

/// The settings of one batch processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) queue_size: usize,
    pub(crate) size: usize,
    pub(crate) delay: Duration,
}

/// The settings of all batch processors and of the metric readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batching {
    pub(crate) spans: Batch,
    pub(crate) events: Batch,
    pub(crate) metric_interval: Duration,
}

impl Batching {
    /// Reads the settings from the environment. Defaults depend on whether content is captured and
    /// whether a guard flushes at the end of the program.
    pub(crate) fn from_env(
        env: Env<'_>,
        captures_content: bool,
        unattended: bool,
    ) -> Result<Self, SetupError> {
        let default_size = if captures_content { BATCH_SIZE_WITH_CONTENT } else { BATCH_SIZE };
        let batch = |prefix, delay: Duration| {
            let delay = if unattended { delay.min(UNATTENDED_DELAY) } else { delay };
            let queue_size = env.size(&format!("{prefix}_MAX_QUEUE_SIZE"))?.unwrap_or(QUEUE_SIZE);
            let size = env.size(&format!("{prefix}_MAX_EXPORT_BATCH_SIZE"))?;
            Ok(Batch {
                queue_size,
                size: size.unwrap_or(default_size).min(queue_size),
                delay: env.millis(&format!("{prefix}_SCHEDULE_DELAY"))?.unwrap_or(delay),
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
    pub(crate) fn span_config(self) -> trace::BatchConfig {
        trace::BatchConfigBuilder::default()
            .with_max_queue_size(self.queue_size)
            .with_max_export_batch_size(self.size)
            .with_scheduled_delay(self.delay)
            .build()
    }

    pub(crate) fn event_config(self) -> logs::BatchConfig {
        logs::BatchConfigBuilder::default()
            .with_max_queue_size(self.queue_size)
            .with_max_export_batch_size(self.size)
            .with_scheduled_delay(self.delay)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use crate::env::tests::lookup;

    use super::*;

    #[test]
    fn batches_with_content_are_smaller() {
        let unset = lookup(&[]);
        let batching = |captures| Batching::from_env(Env::new(&unset), captures, false).unwrap();
        assert_eq!(
            batching(false).spans,
            Batch { queue_size: 2_048, size: 512, delay: SPAN_DELAY }
        );
        assert_eq!(batching(true).spans.size, 64);
        assert_eq!(batching(true).events.size, 64);
    }

    #[test]
    fn environment_variables_override_the_defaults() {
        let variables = lookup(&[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
        ]);
        let batching = Batching::from_env(Env::new(&variables), true, true).unwrap();
        let delay = Duration::from_millis(10);
        assert_eq!(batching.spans, Batch { queue_size: 100, size: 100, delay });
        assert_eq!(batching.events.size, 7);
        assert_eq!(batching.metric_interval, Duration::from_secs(2));
        for name in ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BLRP_SCHEDULE_DELAY"] {
            let invalid = [(name, "-1")];
            let variables = lookup(&invalid);
            let error = Batching::from_env(Env::new(&variables), false, false).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
