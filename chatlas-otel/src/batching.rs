//! The batches in which telemetry is exported: `OTEL_BSP_…`, `OTEL_BLRP_…` and
//! `OTEL_METRIC_EXPORT_…`.

use std::time::Duration;

use crate::env::Env;
use crate::error::SetupError;

/// The default batch size of the specification.
const BATCH_SIZE: usize = 512;
const QUEUE_SIZE: usize = 2_048;
const SPAN_DELAY: Duration = Duration::from_secs(5);
const EVENT_DELAY: Duration = Duration::from_secs(1);
/// The delay without a guard that flushes at the end of the program.
const UNATTENDED_DELAY: Duration = Duration::from_millis(500);
const METRIC_INTERVAL: Duration = Duration::new(60, 0);
const EXPORT_TIMEOUT: Duration = Duration::from_secs(30);
/// The minimum times between two exports.
const MIN_DELAY: Duration = Duration::from_millis(10);
const MIN_METRIC_INTERVAL: Duration = Duration::from_millis(100);

/// The settings of one batch processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) queue_size: usize,
    pub(crate) size: usize,
    pub(crate) delay: Duration,
    /// The maximum duration of the export of a batch.
    pub(crate) timeout: Duration,
}

/// The settings of all batch processors and of the metric readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batching {
    pub(crate) spans: Batch,
    pub(crate) events: Batch,
    pub(crate) metric_interval: Duration,
    pub(crate) metric_timeout: Duration,
}

impl Batching {
    /// Reads the settings from the environment. Defaults depend on whether a guard flushes at the
    /// end of the program.
    pub(crate) fn from_env(env: Env<'_>, unattended: bool) -> Result<Self, SetupError> {
        let batch = |prefix, delay: Duration| {
            let delay = if unattended { delay.min(UNATTENDED_DELAY) } else { delay };
            let queue_size = env.size(&format!("{prefix}_MAX_QUEUE_SIZE"))?.unwrap_or(QUEUE_SIZE);
            let size = env.size(&format!("{prefix}_MAX_EXPORT_BATCH_SIZE"))?;
            Ok(Batch {
                queue_size,
                size: size.unwrap_or(BATCH_SIZE).min(queue_size),
                delay: env
                    .interval(&format!("{prefix}_SCHEDULE_DELAY"), MIN_DELAY)?
                    .unwrap_or(delay),
                timeout: env
                    .timeout(&format!("{prefix}_EXPORT_TIMEOUT"))?
                    .unwrap_or(EXPORT_TIMEOUT),
            })
        };
        Ok(Self {
            spans: batch("OTEL_BSP", SPAN_DELAY)?,
            events: batch("OTEL_BLRP", EVENT_DELAY)?,
            metric_interval: env
                .interval("OTEL_METRIC_EXPORT_INTERVAL", MIN_METRIC_INTERVAL)?
                .unwrap_or(METRIC_INTERVAL),
            metric_timeout: env.timeout("OTEL_METRIC_EXPORT_TIMEOUT")?.unwrap_or(EXPORT_TIMEOUT),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::env::tests::lookup;

    use super::*;

    #[test]
    fn defaults_are_those_of_the_specification() {
        let batching = Batching::from_env(Env::new(&lookup(&[])), false).unwrap();
        let spans =
            Batch { queue_size: 2_048, size: 512, delay: SPAN_DELAY, timeout: EXPORT_TIMEOUT };
        assert_eq!(batching.spans, spans);
        assert_eq!(batching.events, Batch { delay: EVENT_DELAY, ..spans });
        assert_eq!(batching.metric_interval, Duration::from_secs(60));
    }

    /// <https://github.com/temporalio/temporal/issues/7520>
    #[test]
    fn exports_have_a_pause() {
        for name in
            ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"]
        {
            let zero = [(name, "0")];
            let error = Batching::from_env(Env::new(&lookup(&zero)), false).unwrap_err();
            let expected = format!("{name} must be an integer number of milliseconds, at least 1");
            assert_eq!(error.to_string(), expected);
        }
        let shortest = [("OTEL_BSP_SCHEDULE_DELAY", "1"), ("OTEL_METRIC_EXPORT_INTERVAL", "1")];
        let batching = Batching::from_env(Env::new(&lookup(&shortest)), false).unwrap();
        assert_eq!(batching.spans.delay, MIN_DELAY);
        assert_eq!(batching.metric_interval, MIN_METRIC_INTERVAL);
    }

    #[test]
    fn environment_variables_override_the_defaults() {
        let variables = lookup(&[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "300"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "400"),
        ]);
        let batching = Batching::from_env(Env::new(&variables), true).unwrap();
        let delay = Duration::from_millis(10);
        let timeout = Duration::from_millis(300);
        assert_eq!(batching.spans, Batch { queue_size: 100, size: 100, delay, timeout });
        assert_eq!(batching.metric_timeout, Duration::from_millis(400));
        assert_eq!(batching.events.size, 7);
        assert_eq!(batching.metric_interval, Duration::from_secs(2));
        for name in
            ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT"]
        {
            let invalid = [(name, "-1")];
            let variables = lookup(&invalid);
            let error = Batching::from_env(Env::new(&variables), false).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
