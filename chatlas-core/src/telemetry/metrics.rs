//! The metrics: instruments with the names, units and buckets of the conventions, and what is
//! recorded with them at the end of each operation.

use std::cell::Cell;
use std::env;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};

use super::names::{self, metric};
use crate::turn::{Modalities, Usage};

/// The variable that has the names of 2025 written beside those of today, for dashboards that
/// know no others: it holds [`OPT_IN`] among its comma-separated words.
pub const OPT_IN_VARIABLE: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";
/// The word in [`OPT_IN_VARIABLE`].
pub const OPT_IN: &str = "gen_ai/dup";

const SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const AGENT_SECONDS: [f64; 13] =
    [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6];
const CALLS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The instruments of one meter provider.
pub(super) struct Instruments {
    inference_duration: Histogram<f64>,
    time_to_first_chunk: Histogram<f64>,
    time_per_output_chunk: Histogram<f64>,
    input: Counter<u64>,
    output: Counter<u64>,
    cache_read: Counter<u64>,
    cache_write: Counter<u64>,
    reasoning: Counter<u64>,
    input_per_call: Histogram<u64>,
    output_per_call: Histogram<u64>,
    operation_duration: Histogram<f64>,
    agent_duration: Histogram<f64>,
    agent_inference_calls: Histogram<u64>,
    agent_tool_calls: Histogram<u64>,
    tool_duration: Histogram<f64>,
    old: Option<Old>,
}

/// The instruments of 2025.
struct Old {
    token_usage: Histogram<u64>,
    time_to_first_chunk: Histogram<f64>,
    time_per_output_chunk: Histogram<f64>,
}

type Provider = Arc<dyn MeterProvider + Send + Sync>;

/// The API's own meter provider, which does nothing: the global one until another is installed.
static DEFAULT: OnceLock<Provider> = OnceLock::new();

/// How many times a thread may go by the count of the holders of [`DEFAULT`] before it looks.
const BY_COUNT: u8 = 63;

/// Whether no meter provider is installed, found without the locks of a look at the global one,
/// which cost more than all else that a run costs without an SDK.
///
/// Where [`DEFAULT`] is held here and once more, it is the global one that holds it: when that is
/// replaced, the count falls. Only a program that held the default provider itself all the while
/// could make it seem otherwise, so every so often a look is taken all the same.
#[inline]
pub(super) fn none_installed() -> bool {
    thread_local! {
        static LEFT: Cell<u8> = const { Cell::new(0) };
    }
    if DEFAULT.get().is_none_or(|default| Arc::strong_count(default) != 2) {
        return false;
    }
    let left = LEFT.get();
    LEFT.set(left.checked_sub(1).unwrap_or(BY_COUNT));
    left > 0 || has_no_state(&global::meter_provider())
}

/// Whether it is the API's own no-op provider: it has no state, and nothing without state can
/// collect.
fn has_no_state(provider: &Provider) -> bool {
    size_of_val(&**provider) == 0
}

/// The instruments of the global meter provider as it is now; `None` where none is installed.
///
/// Instruments belong to a provider, so they are kept for as long as the global one is the same.
pub(super) fn instruments() -> Option<Arc<Instruments>> {
    static KEPT: Mutex<Option<(Provider, Arc<Instruments>)>> = Mutex::new(None);
    let provider = global::meter_provider();
    if has_no_state(&provider) {
        DEFAULT.get_or_init(|| provider);
        return None;
    }
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, instruments)) = &*kept()
        && Arc::ptr_eq(known, &provider)
    {
        return Some(Arc::clone(instruments));
    }
    let scope = InstrumentationScope::builder(names::SCOPE_NAME)
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(names::SCHEMA_URL)
        .build();
    // Not under the lock, neither this nor the end of the provider before: views and exporters are
    // the program's. Who makes them at the same time makes the same.
    let instruments = Arc::new(Instruments::new(&provider.meter_with_scope(scope)));
    let before = kept().replace((provider, Arc::clone(&instruments)));
    drop(before);
    Some(instruments)
}

fn old_names_wanted() -> bool {
    env::var(OPT_IN_VARIABLE).is_ok_and(|list| list.split(',').any(|word| word.trim() == OPT_IN))
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let seconds = |name, buckets: &[f64]| {
            meter.f64_histogram(name).with_unit("s").with_boundaries(buckets.to_vec()).build()
        };
        let tokens = |name| {
            meter.u64_histogram(name).with_unit("{token}").with_boundaries(TOKENS.to_vec()).build()
        };
        let calls = |name, unit| {
            meter.u64_histogram(name).with_unit(unit).with_boundaries(CALLS.to_vec()).build()
        };
        let counter = |name| meter.u64_counter(name).with_unit("{token}").build();
        Self {
            inference_duration: seconds(metric::INFERENCE_DURATION, &SECONDS),
            time_to_first_chunk: seconds(metric::TIME_TO_FIRST_CHUNK, &SECONDS),
            time_per_output_chunk: seconds(metric::TIME_PER_OUTPUT_CHUNK, &SECONDS),
            input: counter(metric::USAGE_INPUT),
            output: counter(metric::USAGE_OUTPUT),
            cache_read: counter(metric::USAGE_CACHE_READ),
            cache_write: counter(metric::USAGE_CACHE_WRITE),
            reasoning: counter(metric::USAGE_REASONING),
            input_per_call: tokens(metric::INPUT_TOKENS),
            output_per_call: tokens(metric::OUTPUT_TOKENS),
            operation_duration: seconds(metric::OPERATION_DURATION, &SECONDS),
            agent_duration: seconds(metric::AGENT_DURATION, &AGENT_SECONDS),
            agent_inference_calls: calls(metric::AGENT_INFERENCE_CALLS, "{inference_call}"),
            agent_tool_calls: calls(metric::AGENT_TOOL_CALLS, "{tool_call}"),
            tool_duration: seconds(metric::TOOL_DURATION, &SECONDS),
            old: old_names_wanted().then(|| Old {
                token_usage: tokens(metric::OLD_TOKEN_USAGE),
                time_to_first_chunk: seconds(metric::OLD_TIME_TO_FIRST_CHUNK, &SECONDS),
                time_per_output_chunk: seconds(metric::OLD_TIME_PER_OUTPUT_CHUNK, &SECONDS),
            }),
        }
    }

    /// A model call that is over.
    pub(super) fn inference(&self, call: &InferenceFigures<'_>) {
        let common = call.attributes;
        if let Some(seconds) = call.seconds_to_first_chunk {
            self.time_to_first_chunk.record(seconds, common);
            for gap in call.gaps {
                self.time_per_output_chunk.record(*gap, common);
            }
        }
        self.tokens(call);
        if let Some(old) = &self.old {
            old.inference(call);
        }
        let with_error = with(common, names::ERROR_TYPE, call.error_type);
        let duration = call.duration.as_secs_f64();
        self.inference_duration.record(duration, &with_error);
        if self.old.is_some() {
            self.operation_duration.record(duration, &with_error);
        }
    }

    fn tokens(&self, call: &InferenceFigures<'_>) {
        let usage = &call.usage;
        let (input, output) = (call.input_modality, call.output_modality);
        let none = Modalities::default();
        for (counter, total, parts, rest) in [
            (&self.input, usage.input_tokens, usage.input_by_modality, input),
            (&self.output, usage.output_tokens, usage.output_by_modality, output),
            (&self.cache_read, usage.cache_read_tokens, usage.cache_read_by_modality, input),
            (&self.cache_write, usage.cache_write_tokens, none, input),
            (&self.reasoning, usage.reasoning_tokens, none, output),
        ] {
            count(counter, total, parts, rest, call.attributes);
        }
        if let Some(tokens) = usage.input_tokens {
            self.input_per_call.record(tokens, call.attributes);
        }
        if let Some(tokens) = usage.output_tokens {
            self.output_per_call.record(tokens, call.attributes);
        }
    }

    /// Another call of a provider's that is over.
    pub(super) fn operation(&self, duration: Duration, attributes: &[KeyValue]) {
        self.operation_duration.record(duration.as_secs_f64(), attributes);
    }

    /// A run of an agent that is over.
    pub(super) fn agent(&self, figures: &AgentFigures<'_>) {
        let AgentFigures { name, model, error_type, .. } = figures;
        let name = name.map(|name| KeyValue::new(names::agent::NAME, name.clone()));
        let named: Vec<KeyValue> = name.into_iter().collect();
        self.agent_inference_calls.record(figures.inference_calls, &named);
        self.agent_tool_calls.record(figures.tool_calls, &named);
        let mut attributes = with(&named, names::ERROR_TYPE, *error_type);
        attributes.extend(model.map(|model| KeyValue::new(names::request::MODEL, model.clone())));
        self.agent_duration.record(figures.duration.as_secs_f64(), &attributes);
    }

    /// A tool call that is over.
    pub(super) fn tool(&self, duration: Duration, attributes: &[KeyValue], error: Option<&str>) {
        let attributes = with(attributes, names::ERROR_TYPE, error);
        self.tool_duration.record(duration.as_secs_f64(), &attributes);
    }
}

impl Old {
    fn inference(&self, call: &InferenceFigures<'_>) {
        let of_kind = |kind| with(call.attributes, metric::OLD_TOKEN_TYPE, Some(kind));
        if let Some(tokens) = call.usage.input_tokens {
            self.token_usage.record(tokens, &of_kind("input"));
        }
        if let Some(tokens) = call.usage.output_tokens {
            self.token_usage.record(tokens, &of_kind("output"));
        }
        if let Some(seconds) = call.seconds_to_first_chunk {
            self.time_to_first_chunk.record(seconds, call.attributes);
            for gap in call.gaps {
                self.time_per_output_chunk.record(*gap, call.attributes);
            }
        }
    }
}

/// The figures of a model call.
pub(super) struct InferenceFigures<'a> {
    pub(super) attributes: &'a [KeyValue],
    pub(super) duration: Duration,
    pub(super) error_type: Option<&'a str>,
    pub(super) usage: Usage,
    /// What the input's tokens are where the vendor does not tell.
    pub(super) input_modality: &'static str,
    pub(super) output_modality: &'static str,
    /// Set where the reply was streamed, and began.
    pub(super) seconds_to_first_chunk: Option<f64>,
    /// Seconds from each chunk of output to the next.
    pub(super) gaps: &'a [f64],
}

/// The figures of an agent's run.
pub(super) struct AgentFigures<'a> {
    pub(super) name: Option<&'a Arc<str>>,
    pub(super) model: Option<&'a Arc<str>>,
    pub(super) duration: Duration,
    pub(super) error_type: Option<&'a str>,
    pub(super) inference_calls: u64,
    pub(super) tool_calls: u64,
}

/// Counts tokens by modality: those that the vendor tells apart, and the rest.
fn count(
    counter: &Counter<u64>,
    total: Option<u64>,
    parts: Modalities,
    rest: &'static str,
    attributes: &[KeyValue],
) {
    let Some(mut left) = total else { return };
    for (modality, tokens) in [("text", parts.text), ("image", parts.image), ("audio", parts.audio)]
    {
        // A vendor whose parts are more than the whole is not believed beyond the whole.
        let tokens = tokens.unwrap_or(0).min(left);
        if tokens > 0 {
            left -= tokens;
            counter.add(tokens, &with(attributes, metric::TOKEN_MODALITY, Some(modality)));
        }
    }
    if left > 0 || total == Some(0) {
        let modality = if parts.is_empty() { rest } else { "unknown" };
        counter.add(left, &with(attributes, metric::TOKEN_MODALITY, Some(modality)));
    }
}

fn with(attributes: &[KeyValue], key: &'static str, value: Option<&str>) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(attributes.len() + 2);
    list.extend_from_slice(attributes);
    list.extend(value.map(|value| KeyValue::new(key, value.to_owned())));
    list
}
