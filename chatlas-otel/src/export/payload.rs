//! The requests of OTLP: how they are counted, split, and encoded as JSON.

use std::io;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, ResourceMetrics, ScopeMetrics, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

/// A request with the items of one signal.
pub(crate) trait Payload: Message + Serialize + Send + Sized + 'static {
    /// The path of the gRPC method.
    #[cfg_attr(not(feature = "otel-grpc"), allow(dead_code))]
    const METHOD: &'static str;

    /// Returns the number of spans, log records or data points.
    fn count(&self) -> usize;

    /// Moves half of the items to a new request, or returns `None` if there is at most one item.
    fn split_off_half(&mut self) -> Option<Self>;

    /// Calls a function for each floating-point number.
    fn for_each_double(&mut self, visit: &mut dyn FnMut(&mut f64));
}

/// Moves the items of a request that follow the first `$keep` to a new list of resources.
macro_rules! split_off {
    ($resources:expr, $keep:expr, $resource:ident . $scopes:ident, $scope:ident . $items:ident) => {{
        let mut keep = $keep;
        let mut rest = Vec::new();
        for resource in &mut $resources {
            let mut scopes = Vec::new();
            for scope in &mut resource.$scopes {
                let kept = keep.min(scope.$items.len());
                keep -= kept;
                let items = scope.$items.split_off(kept);
                if !items.is_empty() {
                    scopes.push($scope {
                        scope: scope.scope.clone(),
                        $items: items,
                        schema_url: scope.schema_url.clone(),
                    });
                }
            }
            resource.$scopes.retain(|scope| !scope.$items.is_empty());
            if !scopes.is_empty() {
                rest.push($resource {
                    resource: resource.resource.clone(),
                    $scopes: scopes,
                    schema_url: resource.schema_url.clone(),
                });
            }
        }
        $resources.retain(|resource| !resource.$scopes.is_empty());
        rest
    }};
}

impl Payload for ExportTraceServiceRequest {
    const METHOD: &'static str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

    fn count(&self) -> usize {
        let scopes = self.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.map(|scope| scope.spans.len()).sum()
    }

    fn split_off_half(&mut self) -> Option<Self> {
        let keep = self.count() / 2;
        (keep > 0).then(|| Self {
            resource_spans: split_off!(
                self.resource_spans,
                keep,
                ResourceSpans.scope_spans,
                ScopeSpans.spans
            ),
        })
    }

    fn for_each_double(&mut self, visit: &mut dyn FnMut(&mut f64)) {
        for resource in &mut self.resource_spans {
            let attributes = resource.resource.iter_mut().map(|resource| &mut resource.attributes);
            attributes.for_each(|attributes| visit_attributes(attributes, visit));
            for scope in &mut resource.scope_spans {
                for span in &mut scope.spans {
                    visit_attributes(&mut span.attributes, visit);
                    for event in &mut span.events {
                        visit_attributes(&mut event.attributes, visit);
                    }
                    for link in &mut span.links {
                        visit_attributes(&mut link.attributes, visit);
                    }
                }
            }
        }
    }
}

impl Payload for ExportLogsServiceRequest {
    const METHOD: &'static str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

    fn count(&self) -> usize {
        let scopes = self.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
        scopes.map(|scope| scope.log_records.len()).sum()
    }

    fn split_off_half(&mut self) -> Option<Self> {
        let keep = self.count() / 2;
        (keep > 0).then(|| Self {
            resource_logs: split_off!(
                self.resource_logs,
                keep,
                ResourceLogs.scope_logs,
                ScopeLogs.log_records
            ),
        })
    }

    fn for_each_double(&mut self, visit: &mut dyn FnMut(&mut f64)) {
        for resource in &mut self.resource_logs {
            let attributes = resource.resource.iter_mut().map(|resource| &mut resource.attributes);
            attributes.for_each(|attributes| visit_attributes(attributes, visit));
            for record in resource.scope_logs.iter_mut().flat_map(|scope| &mut scope.log_records) {
                visit_attributes(&mut record.attributes, visit);
                record.body.iter_mut().for_each(|body| visit_value(body, visit));
            }
        }
    }
}

impl Payload for ExportMetricsServiceRequest {
    const METHOD: &'static str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

    fn count(&self) -> usize {
        self.metrics().map(data_points).sum()
    }

    fn split_off_half(&mut self) -> Option<Self> {
        let metrics = self.metrics().count();
        if metrics > 1 {
            return Some(Self {
                resource_metrics: split_off!(
                    self.resource_metrics,
                    metrics / 2,
                    ResourceMetrics.scope_metrics,
                    ScopeMetrics.metrics
                ),
            });
        }
        let keep = self.count() / 2;
        if keep == 0 {
            return None;
        }
        let mut rest = self.clone();
        let mut points = 0;
        for_each_metric(&mut self.resource_metrics, |metric| points = keep_points(metric, 0..keep));
        for_each_metric(&mut rest.resource_metrics, |metric| {
            keep_points(metric, keep..points);
        });
        Some(rest)
    }

    fn for_each_double(&mut self, visit: &mut dyn FnMut(&mut f64)) {
        for resource in &mut self.resource_metrics {
            let attributes = resource.resource.iter_mut().map(|resource| &mut resource.attributes);
            attributes.for_each(|attributes| visit_attributes(attributes, visit));
        }
        for_each_metric(&mut self.resource_metrics, |metric| match &mut metric.data {
            Some(Data::Gauge(gauge)) => visit_numbers(&mut gauge.data_points, visit),
            Some(Data::Sum(sum)) => visit_numbers(&mut sum.data_points, visit),
            Some(Data::Histogram(histogram)) => {
                for point in &mut histogram.data_points {
                    visit_attributes(&mut point.attributes, visit);
                    let doubles = [&mut point.sum, &mut point.min, &mut point.max];
                    doubles.into_iter().flatten().for_each(&mut *visit);
                }
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                for point in &mut histogram.data_points {
                    visit_attributes(&mut point.attributes, visit);
                    let doubles = [&mut point.sum, &mut point.min, &mut point.max];
                    doubles.into_iter().flatten().for_each(&mut *visit);
                }
            }
            // The SDK produces no summaries.
            Some(Data::Summary(_)) | None => {}
        });
    }
}

/// The metrics of a request.
trait Metrics {
    fn metrics(&self) -> impl Iterator<Item = &Metric>;
}

impl Metrics for ExportMetricsServiceRequest {
    fn metrics(&self) -> impl Iterator<Item = &Metric> {
        let scopes = self.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
        scopes.flat_map(|scope| &scope.metrics)
    }
}

fn for_each_metric(resources: &mut [ResourceMetrics], visit: impl FnMut(&mut Metric)) {
    let scopes = resources.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    scopes.flat_map(|scope| &mut scope.metrics).for_each(visit);
}

fn data_points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    }
}

/// Removes the data points outside of the range, and returns how many there were.
fn keep_points(metric: &mut Metric, range: std::ops::Range<usize>) -> usize {
    fn keep<T>(points: &mut Vec<T>, range: std::ops::Range<usize>) {
        points.truncate(range.end);
        points.drain(..range.start.min(points.len()));
    }
    let before = data_points(metric);
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => keep(&mut gauge.data_points, range),
        Some(Data::Sum(sum)) => keep(&mut sum.data_points, range),
        Some(Data::Histogram(histogram)) => keep(&mut histogram.data_points, range),
        Some(Data::ExponentialHistogram(histogram)) => keep(&mut histogram.data_points, range),
        Some(Data::Summary(summary)) => keep(&mut summary.data_points, range),
        None => {}
    }
    before
}

fn visit_numbers(
    points: &mut [opentelemetry_proto::tonic::metrics::v1::NumberDataPoint],
    visit: &mut dyn FnMut(&mut f64),
) {
    for point in points {
        visit_attributes(&mut point.attributes, visit);
        if let Some(number_data_point::Value::AsDouble(double)) = &mut point.value {
            visit(double);
        }
    }
}

fn visit_attributes(attributes: &mut [KeyValue], visit: &mut dyn FnMut(&mut f64)) {
    for value in attributes.iter_mut().filter_map(|attribute| attribute.value.as_mut()) {
        visit_value(value, visit);
    }
}

fn visit_value(value: &mut AnyValue, visit: &mut dyn FnMut(&mut f64)) {
    match &mut value.value {
        Some(any_value::Value::DoubleValue(double)) => visit(double),
        Some(any_value::Value::ArrayValue(list)) => {
            list.values.iter_mut().for_each(|value| visit_value(value, visit));
        }
        Some(any_value::Value::KvlistValue(map)) => visit_attributes(&mut map.values, visit),
        _ => {}
    }
}

/// Encodes a request as OTLP JSON. Numbers that JSON lacks are strings in the
/// [mapping of protobuf](https://protobuf.dev/programming-guides/json/), but `null` in serde.
pub(crate) fn to_json(payload: &mut impl Payload) -> serde_json::Result<Vec<u8>> {
    payload.for_each_double(&mut |double| {
        if let Some((_, stand_in)) = STAND_INS.iter().find(|(value, _)| is_same(*value, *double)) {
            *double = f64::from_bits(*stand_in);
        }
    });
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, ProtoJson);
    payload.serialize(&mut serializer)?;
    Ok(json)
}

/// The numbers that JSON lacks, and the bits of a number that represents each in the serializer. No
/// computation yields these.
const STAND_INS: [(f64, u64); 3] = [
    (f64::NAN, 0x0006_86a4_93c1_d2f7),
    (f64::INFINITY, 0x0006_86a4_93c1_d2f8),
    (f64::NEG_INFINITY, 0x0006_86a4_93c1_d2f9),
];

#[allow(clippy::float_cmp)] // infinities are equal to themselves only
fn is_same(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

/// Writes the stand-ins as the strings of the mapping.
struct ProtoJson;

impl Formatter for ProtoJson {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        match STAND_INS.iter().position(|(_, stand_in)| *stand_in == value.to_bits()) {
            Some(0) => writer.write_all(b"\"NaN\""),
            Some(1) => writer.write_all(b"\"Infinity\""),
            Some(_) => writer.write_all(b"\"-Infinity\""),
            None => CompactFormatter.write_f64(writer, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint};
    use opentelemetry_proto::tonic::trace::v1::Span;

    use super::*;

    fn spans(scopes: &[usize]) -> ExportTraceServiceRequest {
        let span = |number: usize| Span { name: number.to_string(), ..Span::default() };
        let scope_spans = scopes.iter().map(|count| ScopeSpans {
            spans: (0..*count).map(span).collect(),
            ..ScopeSpans::default()
        });
        let resource =
            ResourceSpans { scope_spans: scope_spans.collect(), ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![resource] }
    }

    #[test]
    fn a_request_is_split_until_each_part_has_one_item() {
        let mut parts = vec![spans(&[3, 1, 4])];
        let mut finished = 0;
        while let Some(mut part) = parts.pop() {
            let count = part.count();
            match part.split_off_half() {
                Some(rest) => {
                    assert_eq!(part.count() + rest.count(), count);
                    assert!(part.resource_spans[0].scope_spans.iter().all(|s| !s.spans.is_empty()));
                    parts.extend([part, rest]);
                }
                None => finished += count,
            }
        }
        assert_eq!(finished, 8);
    }

    #[test]
    fn metrics_are_split_by_metric_and_then_by_data_point() {
        let point = |value| NumberDataPoint {
            value: Some(number_data_point::Value::AsInt(value)),
            ..NumberDataPoint::default()
        };
        let metric = |points: std::ops::Range<i64>| Metric {
            data: Some(Data::Gauge(Gauge { data_points: points.map(point).collect() })),
            ..Metric::default()
        };
        let scope =
            ScopeMetrics { metrics: vec![metric(0..5), metric(5..6)], ..Default::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..Default::default() };
        let mut first = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let mut second = first.split_off_half().unwrap();
        assert_eq!((first.count(), second.count()), (5, 1));
        assert!(second.split_off_half().is_none());
        let rest = first.split_off_half().unwrap();
        assert_eq!((first.count(), rest.count()), (2, 3));
    }

    /// <https://github.com/vercel/ai/issues/6546>
    #[test]
    fn numbers_that_json_lacks_are_the_strings_of_protojson() {
        let mut payload = spans(&[1]);
        let number = |double| KeyValue {
            key: "n".to_owned(),
            value: Some(AnyValue { value: Some(any_value::Value::DoubleValue(double)) }),
            ..KeyValue::default()
        };
        payload.resource_spans[0].scope_spans[0].spans[0].attributes =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5, -0.0].map(number).to_vec();
        let json: serde_json::Value =
            serde_json::from_slice(&to_json(&mut payload).unwrap()).unwrap();
        let span = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let numbers: Vec<String> = (0..5)
            .map(|index| span["attributes"][index]["value"]["doubleValue"].to_string())
            .collect();
        assert_eq!(numbers, ["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "0.5", "-0.0"]);
    }
}
