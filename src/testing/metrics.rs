//! Metrics as they are measured. The SDK would add them up over all tests of a process, so this is
//! a meter provider of its own, which keeps each measurement with its recorder.

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
use super::install::owner_here;

/// The kinds of instrument that are recorded. Observable ones, which the SDK asks for their values,
/// are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A sum that also shrinks.
    UpDownCounter,
    /// A value that replaces the one before.
    Gauge,
    /// A distribution.
    Histogram,
}

/// All that was measured with one instrument.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub(super) instrument: Arc<Instrument>,
    pub(super) measurements: Vec<Measurement>,
}

/// What an instrument is.
#[derive(Debug, PartialEq)]
pub(super) struct Instrument {
    pub(super) scope: String,
    pub(super) name: String,
    kind: MetricKind,
    unit: String,
    boundaries: Option<Vec<f64>>,
}

/// One measurement. Its attributes are indexed by key: `measurement["error.type"]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    value: f64,
    attributes: Attributes,
}

impl Metric {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.instrument.name
    }

    /// The kind of its instrument.
    pub fn kind(&self) -> MetricKind {
        self.instrument.kind
    }

    /// Its unit; empty where there is none.
    pub fn unit(&self) -> &str {
        &self.instrument.unit
    }

    /// The buckets that a histogram asks for.
    pub fn boundaries(&self) -> Option<&[f64]> {
        self.instrument.boundaries.as_deref()
    }

    /// The measurements, in their order.
    pub fn measurements(&self) -> &[Measurement] {
        &self.measurements
    }

    /// How often it was measured.
    pub fn count(&self) -> usize {
        self.measurements.len()
    }

    /// The sum of what was measured.
    pub fn sum(&self) -> f64 {
        self.measurements.iter().map(|measurement| measurement.value).sum()
    }

    /// Those measurements alone that have that attribute; `null` stands for "not there".
    #[must_use]
    pub fn of(&self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let of = |measurement: &&Measurement| measurement[key] == value;
        Self {
            instrument: Arc::clone(&self.instrument),
            measurements: self.measurements.iter().filter(of).cloned().collect(),
        }
    }
}

impl Measurement {
    /// What was measured.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// All its attributes.
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

/// Hands out instruments whose measurements go to whoever records where they are made.
#[derive(Clone, Debug)]
pub(super) struct Meters {
    /// What is without state counts as nothing installed.
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
    fn make(
        &self,
        kind: MetricKind,
        name: &str,
        unit: Option<Cow<'static, str>>,
        boundaries: Option<Vec<f64>>,
    ) -> Arc<Kept> {
        Arc::new(Kept(Arc::new(Instrument {
            scope: self.scope.clone(),
            name: name.to_owned(),
            kind,
            unit: unit.unwrap_or_default().into_owned(),
            boundaries,
        })))
    }

    fn plain<T>(&self, kind: MetricKind, builder: InstrumentBuilder<'_, T>) -> Arc<Kept> {
        self.make(kind, &builder.name, builder.unit, None)
    }

    fn histogram<T>(&self, builder: HistogramBuilder<'_, T>) -> Arc<Kept> {
        self.make(MetricKind::Histogram, &builder.name, builder.unit, builder.boundaries)
    }
}

impl InstrumentProvider for Instruments {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Counter::new(self.plain(MetricKind::Counter, builder))
    }

    fn f64_counter(&self, builder: InstrumentBuilder<'_, Counter<f64>>) -> Counter<f64> {
        Counter::new(self.plain(MetricKind::Counter, builder))
    }

    fn i64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<i64>>,
    ) -> UpDownCounter<i64> {
        UpDownCounter::new(self.plain(MetricKind::UpDownCounter, builder))
    }

    fn f64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<f64>>,
    ) -> UpDownCounter<f64> {
        UpDownCounter::new(self.plain(MetricKind::UpDownCounter, builder))
    }

    fn u64_gauge(&self, builder: InstrumentBuilder<'_, Gauge<u64>>) -> Gauge<u64> {
        Gauge::new(self.plain(MetricKind::Gauge, builder))
    }

    fn f64_gauge(&self, builder: InstrumentBuilder<'_, Gauge<f64>>) -> Gauge<f64> {
        Gauge::new(self.plain(MetricKind::Gauge, builder))
    }

    fn i64_gauge(&self, builder: InstrumentBuilder<'_, Gauge<i64>>) -> Gauge<i64> {
        Gauge::new(self.plain(MetricKind::Gauge, builder))
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        Histogram::new(self.histogram(builder))
    }

    fn u64_histogram(&self, builder: HistogramBuilder<'_, Histogram<u64>>) -> Histogram<u64> {
        Histogram::new(self.histogram(builder))
    }
}

struct Kept(Arc<Instrument>);

impl Kept {
    fn keep(&self, value: f64, attributes: &[KeyValue]) {
        if let Some(inbox) = owner_here(&Context::current()) {
            let attributes = Attributes::of(attributes);
            inbox.measured(&self.0, Measurement { value, attributes });
        }
    }
}

impl SyncInstrument<f64> for Kept {
    fn measure(&self, measurement: f64, attributes: &[KeyValue]) {
        self.keep(measurement, attributes);
    }
}

impl SyncInstrument<u64> for Kept {
    #[allow(clippy::cast_precision_loss)] // counts of tests are small
    fn measure(&self, measurement: u64, attributes: &[KeyValue]) {
        self.keep(measurement as f64, attributes);
    }
}

impl SyncInstrument<i64> for Kept {
    #[allow(clippy::cast_precision_loss)] // counts of tests are small
    fn measure(&self, measurement: i64, attributes: &[KeyValue]) {
        self.keep(measurement as f64, attributes);
    }
}
