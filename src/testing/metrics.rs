//! A meter provider that records each measurement separately. The meter provider of the SDK would
//! aggregate the measurements of all tests in a process.

use std::borrow::Cow;
use std::ops::Index;
use std::sync::Arc;

use opentelemetry::metrics::{
    Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
    MeterProvider, SyncInstrument, UpDownCounter,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use serde_json::Value;

use super::Attributes;
use super::routing::current_recording;

/// The kind of an instrument. Observable instruments are not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A sum that only increases.
    Counter,
    /// A sum that increases and decreases.
    UpDownCounter,
    /// A value that replaces the previous one.
    Gauge,
    /// A distribution.
    Histogram,
}

/// The measurements of one instrument.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub(super) instrument: Arc<Instrument>,
    pub(super) measurements: Vec<Measurement>,
}

/// The description of an instrument.
#[derive(Debug, PartialEq)]
pub(super) struct Instrument {
    pub(super) scope: String,
    pub(super) name: String,
    kind: MetricKind,
    unit: String,
    boundaries: Option<Vec<f64>>,
}

/// One measurement.
///
/// Index it by key to read an attribute: `measurement["error.type"]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    value: f64,
    attributes: Attributes,
}

impl Metric {
    /// Returns the name of the metric.
    pub fn name(&self) -> &str {
        &self.instrument.name
    }

    /// Returns the kind of the instrument.
    pub fn kind(&self) -> MetricKind {
        self.instrument.kind
    }

    /// Returns the unit, which is empty if the instrument has none.
    pub fn unit(&self) -> &str {
        &self.instrument.unit
    }

    /// Returns the bucket boundaries that a histogram requests.
    pub fn boundaries(&self) -> Option<&[f64]> {
        self.instrument.boundaries.as_deref()
    }

    /// Returns the measurements, in the order in which they were made.
    pub fn measurements(&self) -> &[Measurement] {
        &self.measurements
    }

    /// Returns the number of measurements.
    pub fn count(&self) -> usize {
        self.measurements.len()
    }

    /// Returns the sum of the measured values.
    pub fn sum(&self) -> f64 {
        self.measurements.iter().map(|measurement| measurement.value).sum()
    }

    /// Returns the metric with only those measurements that have that attribute. The value `null`
    /// selects the measurements without the attribute.
    #[must_use]
    pub fn filter(&self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let matches = |measurement: &&Measurement| measurement[key] == value;
        Self {
            instrument: Arc::clone(&self.instrument),
            measurements: self.measurements.iter().filter(matches).cloned().collect(),
        }
    }
}

impl Measurement {
    /// Returns the measured value.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Returns the attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

impl Index<&str> for Measurement {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        &self.attributes[key]
    }
}

/// A meter provider whose instruments pass each measurement to the recorder of the current context.
#[derive(Clone, Debug)]
pub(super) struct Meters {
    /// chatlas treats a provider without state as the no-op provider.
    _state: Arc<()>,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self { _state: Arc::default() }
    }
}

impl MeterProvider for Meters {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        Meter::new(Arc::new(Instruments { scope: scope.name().to_owned() }))
    }
}

struct Instruments {
    scope: String,
}

impl Instruments {
    fn instrument(
        &self,
        kind: MetricKind,
        name: &str,
        unit: Option<Cow<'static, str>>,
        boundaries: Option<Vec<f64>>,
    ) -> Arc<RecordingInstrument> {
        Arc::new(RecordingInstrument(Arc::new(Instrument {
            scope: self.scope.clone(),
            name: name.to_owned(),
            kind,
            unit: unit.unwrap_or_default().into_owned(),
            boundaries,
        })))
    }

    fn without_boundaries<T>(
        &self,
        kind: MetricKind,
        builder: InstrumentBuilder<'_, T>,
    ) -> Arc<RecordingInstrument> {
        self.instrument(kind, &builder.name, builder.unit, None)
    }

    fn histogram<T>(&self, builder: HistogramBuilder<'_, T>) -> Arc<RecordingInstrument> {
        self.instrument(MetricKind::Histogram, &builder.name, builder.unit, builder.boundaries)
    }
}

impl InstrumentProvider for Instruments {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Counter::new(self.without_boundaries(MetricKind::Counter, builder))
    }

    fn f64_counter(&self, builder: InstrumentBuilder<'_, Counter<f64>>) -> Counter<f64> {
        Counter::new(self.without_boundaries(MetricKind::Counter, builder))
    }

    fn i64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<i64>>,
    ) -> UpDownCounter<i64> {
        UpDownCounter::new(self.without_boundaries(MetricKind::UpDownCounter, builder))
    }

    fn f64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<f64>>,
    ) -> UpDownCounter<f64> {
        UpDownCounter::new(self.without_boundaries(MetricKind::UpDownCounter, builder))
    }

    fn u64_gauge(&self, builder: InstrumentBuilder<'_, Gauge<u64>>) -> Gauge<u64> {
        Gauge::new(self.without_boundaries(MetricKind::Gauge, builder))
    }

    fn f64_gauge(&self, builder: InstrumentBuilder<'_, Gauge<f64>>) -> Gauge<f64> {
        Gauge::new(self.without_boundaries(MetricKind::Gauge, builder))
    }

    fn i64_gauge(&self, builder: InstrumentBuilder<'_, Gauge<i64>>) -> Gauge<i64> {
        Gauge::new(self.without_boundaries(MetricKind::Gauge, builder))
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        Histogram::new(self.histogram(builder))
    }

    fn u64_histogram(&self, builder: HistogramBuilder<'_, Histogram<u64>>) -> Histogram<u64> {
        Histogram::new(self.histogram(builder))
    }
}

struct RecordingInstrument(Arc<Instrument>);

impl RecordingInstrument {
    fn record(&self, value: f64, attributes: &[KeyValue]) {
        if let Some(recording) = current_recording(&Context::current()) {
            let attributes = Attributes::from_key_values(attributes);
            recording.add_measurement(&self.0, Measurement { value, attributes });
        }
    }
}

impl SyncInstrument<f64> for RecordingInstrument {
    fn measure(&self, measurement: f64, attributes: &[KeyValue]) {
        self.record(measurement, attributes);
    }
}

impl SyncInstrument<u64> for RecordingInstrument {
    #[allow(clippy::cast_precision_loss)] // the counts in tests are small
    fn measure(&self, measurement: u64, attributes: &[KeyValue]) {
        self.record(measurement as f64, attributes);
    }
}

impl SyncInstrument<i64> for RecordingInstrument {
    #[allow(clippy::cast_precision_loss)] // the counts in tests are small
    fn measure(&self, measurement: i64, attributes: &[KeyValue]) {
        self.record(measurement as f64, attributes);
    }
}
