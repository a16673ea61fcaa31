//! Metrics: instrument, unit, type, buckets, and the attributes of each point.

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};

use super::values::plain;
use super::{Conventions, Findings, release};

const SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const AGENT_SECONDS: &[f64] =
    &[0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6];
const CALLS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Returns the buckets that the conventions specify in the description of the metric.
fn buckets(name: &str) -> Vec<f64> {
    match name {
        "gen_ai.invoke_agent.duration" => AGENT_SECONDS.to_vec(),
        "gen_ai.invoke_agent.inference_calls" | "gen_ai.invoke_agent.tool_calls" => CALLS.to_vec(),
        name if name.ends_with("_tokens") => (0..14).map(|n| 4_f64.powi(n)).collect(),
        _ => SECONDS.to_vec(),
    }
}

/// The instrument of a metric and its data points.
pub struct Points {
    pub instrument: &'static str,
    pub value: &'static str,
    pub list: Vec<Point>,
}

/// One data point.
pub struct Point {
    pub attributes: Vec<KeyValue>,
    pub sum: f64,
    /// The number of recorded values; 1 for a counter.
    pub count: u64,
    bounds: Vec<f64>,
}

impl Conventions {
    /// Checks a metric against its definition.
    pub fn check_metric(&self, metric: &Metric, findings: &mut Findings) {
        let location = format!("metric `{}`", metric.name());
        let name = release::metric(metric.name());
        let Some((instrument, unit, value)) = self.instruments.get(name) else {
            findings.report(&location, "the conventions define no such name");
            return;
        };
        if metric.unit() != unit {
            findings.report(&location, format!("its unit is {unit}, not {}", metric.unit()));
        }
        let seen = points(metric);
        if seen.instrument != instrument || seen.value != value {
            let is = format!("a {instrument} of {value}");
            findings
                .report(&location, format!("it is {is}, not {}/{}", seen.instrument, seen.value));
        }
        let known = self.attributes("metrics", name);
        for point in &seen.list {
            if instrument == "histogram" && point.bounds != buckets(name) {
                findings.report(&location, format!("its buckets are {:?}", point.bounds));
            }
            self.check_values(&location, plain(&point.attributes), findings);
            let has = |key: &str| point.attributes.iter().any(|kv| kv.key.as_str() == key);
            // The model of a failed call may be unknown. Durations have `error.type` for failed calls.
            let complete = !has("error.type") && name.contains("duration");
            let has_server = !point.attributes.iter().any(|attribute| {
                let operation = attribute.value.as_str();
                let is_local = operation == "retrieval" || operation.contains("_memory");
                attribute.key.as_str() == "gen_ai.operation.name" && is_local
            });
            for (key, level) in &known {
                // An agent may have no name; the response model of a cancelled call is unknown.
                let may_lack = ["gen_ai.agent.name", "gen_ai.response.model"];
                let due = level == "required"
                    || (level == "recommended" && complete && !may_lack.contains(&key.as_str()));
                let due = due && (has_server || key != "server.address");
                if due && !has(key) {
                    findings.report(&location, format!("`{key}` is {level} and missing"));
                }
            }
            for KeyValue { key, .. } in &point.attributes {
                let vendor = key.as_str().starts_with("openai.response.");
                let extra = release::EXTRA_ATTRIBUTES.contains(&(name, key.as_str()));
                if !known.contains_key(key.as_str()) && !vendor && !extra {
                    findings.report(&location, format!("`{key}` is not one of its attributes"));
                }
            }
            findings.count_attributes(
                "metrics",
                name,
                point.attributes.iter().map(|kv| kv.key.as_str()),
            );
        }
    }
}

/// Returns the instrument of a metric and its data points.
pub fn points(metric: &Metric) -> Points {
    fn of<T: Copy>(value: &'static str, data: &MetricData<T>, float: fn(T) -> f64) -> Points {
        let owned = |attributes: &mut dyn Iterator<Item = &KeyValue>| attributes.cloned().collect();
        let (instrument, points) = match data {
            MetricData::Histogram(histogram) => {
                let points = histogram.data_points().map(|point| Point {
                    attributes: owned(&mut point.attributes()),
                    sum: float(point.sum()),
                    count: point.count(),
                    bounds: point.bounds().collect(),
                });
                ("histogram", points.collect())
            }
            MetricData::Sum(sum) => {
                let points = sum.data_points().map(|point| Point {
                    attributes: owned(&mut point.attributes()),
                    sum: float(point.value()),
                    count: 1,
                    bounds: Vec::new(),
                });
                (if sum.is_monotonic() { "counter" } else { "updowncounter" }, points.collect())
            }
            _ => ("other", Vec::new()),
        };
        Points { instrument, value, list: points }
    }
    #[allow(clippy::cast_precision_loss)] // the values in tests are small
    match metric.data() {
        AggregatedMetrics::F64(data) => of("double", data, |value| value),
        AggregatedMetrics::U64(data) => of("int", data, |value| value as f64),
        AggregatedMetrics::I64(data) => of("int", data, |value| value as f64),
    }
}
