//! Metrics: instruments with the names, units and buckets of the conventions, recorded at the end
//! of each operation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider};

use super::events::old_names_enabled;
use super::names::{self, metric, modality};
use crate::turn::{Modalities, Usage};

const SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const AGENT_SECONDS: [f64; 13] =
    [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6];
const MCP_SECONDS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
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
    embeddings_duration: Histogram<f64>,
    embeddings_input: Histogram<u64>,
    operation_duration: Histogram<f64>,
    agent_duration: Histogram<f64>,
    agent_inference_calls: Histogram<u64>,
    agent_tool_calls: Histogram<u64>,
    tool_duration: Histogram<f64>,
    retrieval_duration: Histogram<f64>,
    pub(super) mcp_client: McpInstruments,
    pub(super) mcp_server: McpInstruments,
    old: Option<Old>,
}

/// The instruments of one side of the Model Context Protocol.
pub(super) struct McpInstruments {
    operation_duration: Histogram<f64>,
    session_duration: Histogram<f64>,
}

impl McpInstruments {
    /// Records a finished request.
    pub(super) fn record_operation(
        &self,
        duration: Duration,
        attributes: &[KeyValue],
        error: Option<&str>,
    ) {
        let attributes = with(attributes, names::ERROR_TYPE, error);
        self.operation_duration.record(duration.as_secs_f64(), &attributes);
    }

    /// Records a finished session.
    pub(super) fn record_session(
        &self,
        duration: Duration,
        attributes: &[KeyValue],
        error: Option<&str>,
    ) {
        let attributes = with(attributes, names::ERROR_TYPE, error);
        self.session_duration.record(duration.as_secs_f64(), &attributes);
    }
}

/// The instruments with the names of 2025.
struct Old {
    token_usage: Histogram<u64>,
    time_to_first_chunk: Histogram<f64>,
    time_per_output_chunk: Histogram<f64>,
}

type Provider = Arc<dyn MeterProvider + Send + Sync>;

/// Returns the instruments of the current global meter provider, or `None` if no SDK is installed.
///
/// Instruments belong to a provider, so they are cached for as long as the global provider is the
/// same.
pub(super) fn instruments() -> Option<Arc<Instruments>> {
    static CACHE: Mutex<Option<(Provider, Arc<Instruments>)>> = Mutex::new(None);
    let provider = global::meter_provider();
    // The API's no-op provider has no fields. A provider without fields cannot collect anything.
    if size_of_val(&*provider) == 0 {
        return None;
    }
    let cache = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((cached, instruments)) = &*cache()
        && Arc::ptr_eq(cached, &provider)
    {
        return Some(Arc::clone(instruments));
    }
    // Outside the lock: creating instruments and dropping the previous provider run the program's
    // code. Threads that create them at the same time create the same ones.
    let meter = provider.meter_with_scope(names::instrumentation_scope());
    let instruments = Arc::new(Instruments::new(&meter));
    let previous = cache().replace((provider, Arc::clone(&instruments)));
    drop(previous);
    Some(instruments)
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
            embeddings_duration: seconds(metric::EMBEDDINGS_DURATION, &SECONDS),
            embeddings_input: tokens(metric::EMBEDDINGS_INPUT_TOKENS),
            operation_duration: seconds(metric::OPERATION_DURATION, &SECONDS),
            agent_duration: seconds(metric::AGENT_DURATION, &AGENT_SECONDS),
            agent_inference_calls: calls(metric::AGENT_INFERENCE_CALLS, "{inference_call}"),
            agent_tool_calls: calls(metric::AGENT_TOOL_CALLS, "{tool_call}"),
            tool_duration: seconds(metric::TOOL_DURATION, &SECONDS),
            retrieval_duration: seconds(metric::RETRIEVAL_DURATION, &SECONDS),
            mcp_client: McpInstruments {
                operation_duration: seconds(metric::MCP_CLIENT_OPERATION, &MCP_SECONDS),
                session_duration: seconds(metric::MCP_CLIENT_SESSION, &MCP_SECONDS),
            },
            mcp_server: McpInstruments {
                operation_duration: seconds(metric::MCP_SERVER_OPERATION, &MCP_SECONDS),
                session_duration: seconds(metric::MCP_SERVER_SESSION, &MCP_SECONDS),
            },
            old: old_names_enabled().then(|| Old {
                token_usage: tokens(metric::OLD_TOKEN_USAGE),
                time_to_first_chunk: seconds(metric::OLD_TIME_TO_FIRST_CHUNK, &SECONDS),
                time_per_output_chunk: seconds(metric::OLD_TIME_PER_OUTPUT_CHUNK, &SECONDS),
            }),
        }
    }

    /// Records a finished model call.
    pub(super) fn record_inference(&self, call: &InferenceFigures<'_>) {
        if let Some(seconds) = call.seconds_to_first_chunk {
            self.time_to_first_chunk.record(seconds, call.chunk_attributes);
            for seconds in call.chunk_seconds {
                self.time_per_output_chunk.record(*seconds, call.chunk_attributes);
            }
        }
        self.record_tokens(call);
        if let Some(old) = &self.old {
            old.record_inference(call);
        }
        let with_error = with(call.attributes, names::ERROR_TYPE, call.error_type);
        let duration = call.duration.as_secs_f64();
        self.inference_duration.record(duration, &with_error);
        if self.old.is_some() {
            self.operation_duration.record(duration, &with_error);
        }
    }

    fn record_tokens(&self, call: &InferenceFigures<'_>) {
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
            add_by_modality(counter, total, parts, rest, call.attributes);
        }
        if let Some(tokens) = usage.input_tokens {
            self.input_per_call.record(tokens, call.attributes);
        }
        if let Some(tokens) = usage.output_tokens {
            self.output_per_call.record(tokens, call.attributes);
        }
    }

    /// Records another finished call of a provider.
    pub(super) fn record_operation(&self, duration: Duration, attributes: &[KeyValue]) {
        self.operation_duration.record(duration.as_secs_f64(), attributes);
    }

    /// Records a finished request for embeddings.
    pub(super) fn record_embeddings(
        &self,
        duration: Duration,
        attributes: &[KeyValue],
        error: Option<&str>,
        tokens: Option<u64>,
    ) {
        let with_error = with(attributes, names::ERROR_TYPE, error);
        self.embeddings_duration.record(duration.as_secs_f64(), &with_error);
        if let Some(tokens) = tokens {
            self.embeddings_input.record(tokens, attributes);
        }
        if let Some(old) = &self.old {
            self.operation_duration.record(duration.as_secs_f64(), &with_error);
            if let Some(tokens) = tokens {
                let of_input = with(attributes, metric::OLD_TOKEN_TYPE, Some("input"));
                old.token_usage.record(tokens, &of_input);
            }
        }
    }

    /// Records a finished run of an agent or a workflow.
    pub(super) fn record_agent(&self, figures: &AgentFigures<'_>) {
        let AgentFigures { name, model, error_type, .. } = figures;
        let name = name.map(|name| KeyValue::new(names::agent::NAME, name.clone()));
        let named: Vec<KeyValue> = name.into_iter().collect();
        if let Some((inference, tools)) = figures.calls {
            self.agent_inference_calls.record(inference, &named);
            self.agent_tool_calls.record(tools, &named);
        }
        let mut attributes = with(&named, names::ERROR_TYPE, *error_type);
        attributes.extend(model.map(|model| KeyValue::new(names::request::MODEL, model.clone())));
        self.agent_duration.record(figures.duration.as_secs_f64(), &attributes);
    }

    /// Records a finished tool call.
    pub(super) fn record_tool(
        &self,
        duration: Duration,
        attributes: &[KeyValue],
        error: Option<&str>,
    ) {
        let attributes = with(attributes, names::ERROR_TYPE, error);
        self.tool_duration.record(duration.as_secs_f64(), &attributes);
    }

    /// Records a finished retrieval.
    pub(super) fn record_retrieval(
        &self,
        duration: Duration,
        attributes: &[KeyValue],
        error: Option<&str>,
    ) {
        let attributes = with(attributes, names::ERROR_TYPE, error);
        self.retrieval_duration.record(duration.as_secs_f64(), &attributes);
    }
}

impl Old {
    fn record_inference(&self, call: &InferenceFigures<'_>) {
        let of_kind = |kind| with(call.attributes, metric::OLD_TOKEN_TYPE, Some(kind));
        if let Some(tokens) = call.usage.input_tokens {
            self.token_usage.record(tokens, &of_kind("input"));
        }
        if let Some(tokens) = call.usage.output_tokens {
            self.token_usage.record(tokens, &of_kind("output"));
        }
        if let Some(seconds) = call.seconds_to_first_chunk {
            self.time_to_first_chunk.record(seconds, call.chunk_attributes);
            for seconds in call.chunk_seconds {
                self.time_per_output_chunk.record(*seconds, call.chunk_attributes);
            }
        }
    }
}

/// The measurements of a model call.
pub(super) struct InferenceFigures<'a> {
    /// The attributes of the metrics of durations and tokens, including the vendor's.
    pub(super) attributes: &'a [KeyValue],
    /// The attributes of the metrics of chunks, for which the conventions list none of a vendor.
    pub(super) chunk_attributes: &'a [KeyValue],
    pub(super) duration: Duration,
    pub(super) error_type: Option<&'a str>,
    pub(super) usage: Usage,
    /// The modality of input tokens for which the vendor reports none.
    pub(super) input_modality: &'static str,
    /// The modality of output tokens for which the vendor reports none.
    pub(super) output_modality: &'static str,
    /// Set if the reply was streamed and at least one chunk arrived.
    pub(super) seconds_to_first_chunk: Option<f64>,
    /// The seconds from each chunk of output to the next.
    pub(super) chunk_seconds: &'a [f64],
}

/// The measurements of the run of an agent or a workflow.
pub(super) struct AgentFigures<'a> {
    pub(super) name: Option<&'a Arc<str>>,
    pub(super) model: Option<&'a Arc<str>>,
    pub(super) duration: Duration,
    pub(super) error_type: Option<&'a str>,
    /// The numbers of model calls and tool calls, which a workflow does not record.
    pub(super) calls: Option<(u64, u64)>,
}

/// Adds tokens by modality: those that the vendor reports by modality, then the remaining ones
/// under `rest`.
fn add_by_modality(
    counter: &Counter<u64>,
    total: Option<u64>,
    parts: Modalities,
    rest: &'static str,
    attributes: &[KeyValue],
) {
    let Some(mut left) = total else { return };
    for (modality, tokens) in [
        (modality::TEXT, parts.text),
        (modality::IMAGE, parts.image),
        (modality::AUDIO, parts.audio),
    ] {
        // Some vendors report parts that exceed the total. The sum must not.
        let tokens = tokens.unwrap_or(0).min(left);
        if tokens > 0 {
            left -= tokens;
            counter.add(tokens, &with(attributes, metric::TOKEN_MODALITY, Some(modality)));
        }
    }
    if left > 0 || total == Some(0) {
        let modality = if parts.is_empty() { rest } else { modality::UNKNOWN };
        counter.add(left, &with(attributes, metric::TOKEN_MODALITY, Some(modality)));
    }
}

/// Returns the attributes, and one more if there is a value.
fn with(attributes: &[KeyValue], key: &'static str, value: Option<&str>) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(attributes.len() + 2);
    list.extend_from_slice(attributes);
    list.extend(value.map(|value| KeyValue::new(key, value.to_owned())));
    list
}
